module oktalk/tools/stress

go 1.26.0
