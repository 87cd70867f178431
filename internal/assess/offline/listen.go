package offline

import (
	"context"
	"slices"

	"oktalk/internal/assess/offline/acoustic"
)

// heard is a phone of the free recognition: frames from start up to, not including, end.
type heard struct {
	phone      acoustic.Phone
	start, end int
}

// listener finds the likeliest sequence of any phones (a loop over all of them), whatever the target text. Its buffers are
// reused; it needs 8 bytes for each frame.
type listener struct {
	states [][acoustic.States]float32
	since  [][acoustic.States]int32 // by phone and state: the frame in which the path entered the phone
	ends   []ending                 // by frame: the best phone to end there
}

type ending struct {
	phone acoustic.Phone
	start int32
}

// listen returns the sequence, empty when there are fewer frames than a phone has states, and its log likelihood. changeCost is subtracted for each phone.
func (l *listener) listen(ctx context.Context, m *acoustic.Model, scores []float32, changeCost float32) ([]heard, float32, error) {
	l.states, l.since = resize(l.states, m.Phones()), resize(l.since, m.Phones())
	for p := range l.states {
		l.states[p] = [acoustic.States]float32{acoustic.Never, acoustic.Never, acoustic.Never}
	}
	width := m.Senones()
	frames := len(scores) / width
	l.ends = resize(l.ends, frames)
	entry := float32(0)
	for t := range frames {
		if t%checkEvery == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		entry = l.step(m, scores[t*width:(t+1)*width], t, entry-changeCost)
	}
	var hs []heard
	if entry <= acoustic.Never/2 {
		return nil, 0, nil
	}
	for t := frames; t > 0; {
		e := l.ends[t-1]
		hs = append(hs, heard{e.phone, int(e.start), t})
		t = int(e.start)
	}
	slices.Reverse(hs)
	return hs, entry, nil
}

// step moves all paths by one frame and returns the best one that ends a phone there.
//
//go:norace
func (l *listener) step(m *acoustic.Model, frame []float32, t int, entry float32) float32 {
	best := acoustic.Never
	l.ends[t] = ending{}
	for p := range l.states {
		s, since := &l.states[p], &l.since[p]
		moves, senones := m.TransitionsOf(acoustic.Phone(p)), m.SenonesOf(acoustic.Phone(p))
		for i := acoustic.States - 1; i >= 0; i-- {
			stay, move, from := s[i]+moves.Stay[i], entry, int32(t)
			if i > 0 {
				move, from = s[i-1]+moves.Leave[i-1], since[i-1]
			}
			if move > stay {
				stay, since[i] = move, from
			}
			s[i] = stay + frame[senones[i]]
		}
		if v := s[2] + moves.Leave[2]; v > best {
			best, l.ends[t] = v, ending{acoustic.Phone(p), since[2]}
		}
	}
	return best
}
