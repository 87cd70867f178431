package acoustic

import "golang.org/x/sys/cpu"

// haveVectors: AVX is in x86 processors since 2011, and emulators may lack it.
var haveVectors = cpu.X86.HasAVX

// scoreVectors is scoreNumbers for count groups, in density_amd64.s. dst and x point to the first number of the first frame;
// frames are FeatureSize numbers apart in x.
//
//go:noescape
func scoreVectors(dst, x, groups *float32, count int)

// markVectors is markNumbers for count groups.
//
//go:noescape
func markVectors(marks *uint8, densities *float32, limit float32, count int)
