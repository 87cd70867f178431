//go:build !amd64

package acoustic

const haveVectors = false

func scoreVectors(_, _, _ *float32, _ int) { panic("no vectors on this processor") }

func markVectors(_ *uint8, _ *float32, _ float32, _ int) { panic("no vectors on this processor") }
