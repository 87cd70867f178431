#include "textflag.h"

// One frame and one dimension of eight Gaussians: sum -= (x - mean)² precision. Y4 holds the means, Y5 the precisions. Steps are not
// joined (no FMA), so that the result is that of scoreNumbers.
#define FRAME(at, sum, difference) \
	VBROADCASTSS at(SI), difference \
	VSUBPS Y4, difference, difference \
	VMULPS difference, difference, difference \
	VMULPS Y5, difference, difference \
	VSUBPS difference, sum, sum

// One dimension of four frames, which are 156 bytes apart.
#define DIMENSION(d) \
	VMOVUPS (32+64*d)(BX), Y4 \
	VMOVUPS (64+64*d)(BX), Y5 \
	FRAME(4*d, Y0, Y6) \
	FRAME(4*d+156, Y1, Y7) \
	FRAME(4*d+312, Y2, Y8) \
	FRAME(4*d+468, Y3, Y9)

// func scoreVectors(dst, x, groups *float32, count int)
TEXT ·scoreVectors(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ groups+16(FP), BX
	MOVQ count+24(FP), CX
	MOVQ CX, R8
	SHLQ $5, R8            // bytes from one frame of dst to the next
	LEAQ (R8)(R8*2), R9
	TESTQ CX, CX
	JZ   end

group:
	VMOVUPS (BX), Y0
	VMOVAPS Y0, Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y0, Y3
	DIMENSION(0)
	DIMENSION(1)
	DIMENSION(2)
	DIMENSION(3)
	DIMENSION(4)
	DIMENSION(5)
	DIMENSION(6)
	DIMENSION(7)
	DIMENSION(8)
	DIMENSION(9)
	DIMENSION(10)
	DIMENSION(11)
	DIMENSION(12)
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, (DI)(R8*1)
	VMOVUPS Y2, (DI)(R8*2)
	VMOVUPS Y3, (DI)(R9*1)
	ADDQ $32, DI
	ADDQ $864, BX          // 4 bytes x groupSize
	DECQ CX
	JNZ  group

end:
	VZEROUPPER
	RET

// func markVectors(marks *uint8, densities *float32, limit float32, count int)
TEXT ·markVectors(SB), NOSPLIT, $0-32
	MOVQ marks+0(FP), DI
	MOVQ densities+8(FP), SI
	VBROADCASTSS limit+16(FP), Y0
	MOVQ count+24(FP), CX
	TESTQ CX, CX
	JZ   marked

mark:
	VMOVUPS (SI), Y1
	VCMPPS $13, Y0, Y1, Y1 // at least
	VMOVMSKPS Y1, AX
	MOVB AX, (DI)
	ADDQ $32, SI
	INCQ DI
	DECQ CX
	JNZ  mark

marked:
	VZEROUPPER
	RET
