package acoustic

// lanes is the number of Gaussians that are scored side by side: eight 32-bit numbers fill a vector register of AVX.
const lanes = 8

// groupSize is the numbers kept of a group of Gaussians: their constants, then for each dimension in turn their means and their
// precisions, so that scoring reads memory in order.
const groupSize = lanes * (1 + 2*CepstrumSize)

// blockFrames is the number of frames that are scored with a codebook while it is at hand. All codebooks together have 1.7 MB, so
// reading them for each frame alone would cost more than the arithmetic.
const blockFrames = 4

// scoreBlock writes the log density of every Gaussian of groups for one stream of each frame, frame by frame: dst holds blockFrames
// times the number of Gaussians.
func scoreBlock(dst []float32, frames *[blockFrames][FeatureSize]float32, stream int, groups []float32) {
	if n := len(groups) / groupSize; haveVectors {
		dst = dst[:blockFrames*lanes*n]
		scoreVectors(&dst[0], &frames[0][stream*CepstrumSize], &groups[0], n)
		return
	}
	scoreNumbers(dst, frames, stream, groups)
}

// scoreNumbers is scoreBlock for processors whose vectors are not used. It calculates in the same order, and the conversions keep
// compilers from joining steps, so results are the same bit by bit on every machine.
//
//go:norace
func scoreNumbers(dst []float32, frames *[blockFrames][FeatureSize]float32, stream int, groups []float32) {
	size := len(groups) / groupSize * lanes
	for at := 0; len(groups) >= groupSize; at, groups = at+lanes, groups[groupSize:] {
		for f := range frames {
			x := frames[f][stream*CepstrumSize:][:CepstrumSize]
			v := [lanes]float32(groups)
			for d, value := range x {
				row := (*[2 * lanes]float32)(groups[lanes*(1+2*d):])
				for i := range v {
					diff := value - row[i]
					v[i] -= float32(float32(diff*diff) * row[lanes+i])
				}
			}
			copy(dst[f*size+at:], v[:])
		}
	}
}

// markAbove marks the densities that are at least limit: a bit for each, a byte for each group.
func markAbove(marks []uint8, densities []float32, limit float32) {
	if haveVectors {
		densities = densities[:lanes*len(marks)]
		markVectors(&marks[0], &densities[0], limit, len(marks))
		return
	}
	markNumbers(marks, densities, limit)
}

//go:norace
func markNumbers(marks []uint8, densities []float32, limit float32) {
	for i := range marks {
		var mark uint8
		for lane, v := range (*[lanes]float32)(densities[i*lanes:]) {
			if v >= limit {
				mark |= 1 << lane
			}
		}
		marks[i] = mark
	}
}
