package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"oktalk/internal/evaluation"
)

// Limiter gives out the permits that jobs of a limited stage need to begin. Limits hold for all processes together.
type Limiter interface {
	// Run keeps the permits of this process. It blocks until ctx ends, and gives all of them back then.
	Run(ctx context.Context)
	// Acquire waits for a permit for one job for as long as ctx lasts; its error is that of ctx. Of one process the first that asked
	// is the first to get one. While the store of limits is away nobody gets any, so that a vendor's quota is never exceeded.
	// release gives the permit back when the job's work is over; calling it again does nothing.
	Acquire(ctx context.Context) (release func(), err error)
}

// Vendored is a [Handler] whose work is done by a vendor: the vendor's limits hold for its stage too.
type Vendored interface {
	// Vendor is the vendor's name, as VENDOR_LIMITS has it, and how many requests one run makes of it at most.
	Vendor() (name string, requests int)
}

// LimitConfig sets how much of a stage, and of a vendor, all processes together may use. It must be the same in all of them.
type LimitConfig struct {
	// StageLimits bounds the runs of stages: "feedback=10/s,feedback=20" begins at most 10 a second and has at most 20 at
	// once. See [Limits] for the form. Empty: no limits.
	StageLimits Limits `env:"STAGE_LIMITS"`
	// VendorLimits bounds the requests made of vendors, by whichever stages: "openai=500/min burst 20". Empty: no limits.
	VendorLimits Limits `env:"VENDOR_LIMITS"`
}

// Validate reports stages that do not exist.
func (c LimitConfig) Validate() error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(c.StageLimits)) {
		if _, ok := evaluation.StageByName(evaluation.StageName(name)); !ok {
			problems = append(problems, fmt.Errorf("STAGE_LIMITS names %q, which is no stage: the stages are %s; limits of vendors go into VENDOR_LIMITS", name, stageNames()))
		}
	}
	return errors.Join(problems...)
}

func stageNames() string {
	var names []string
	for _, s := range evaluation.Stages() {
		names = append(names, string(s.Name))
	}
	return strings.Join(names, ", ")
}

// Shared is a limit and what it is of: all stages that name the same share it.
type Shared struct {
	Of string // "stage:feedback", "vendor:openai"
	Limit
	Requests int // how many requests a run counts for; at least 1
}

// String is for logs: "vendor:openai 500/min burst 20".
func (s Shared) String() string { return s.Of + " " + strings.Join(s.texts(), ", ") }

// For lists the limits of a stage whose work h does: its own, and its vendor's. None: the stage needs no permits.
func (c LimitConfig) For(stage evaluation.StageName, h Handler) []Shared {
	var all []Shared
	if l, ok := c.StageLimits[string(stage)]; ok {
		all = append(all, Shared{Of: "stage:" + string(stage), Limit: l, Requests: 1})
	}
	if v, ok := h.(Vendored); ok {
		name, requests := v.Vendor()
		if l, ok := c.VendorLimits[name]; ok {
			all = append(all, Shared{Of: "vendor:" + name, Limit: l, Requests: max(1, requests)})
		}
	}
	return all
}

// Limit is a pace, a number at once, or both.
type Limit struct {
	Rate   int           // requests in a time of Per, evenly spread; 0: as many as come
	Per    time.Duration // a second, a minute or an hour; 0 when there is no rate
	Burst  int           // requests that may come together after a pause; at least 1 when there is a rate
	AtOnce int           // runs at the same time; 0: as many as there are
}

// Every is the time between two requests at the full rate, rounded up to a microsecond; 0 when there is no rate.
func (l Limit) Every() time.Duration {
	if l.Rate <= 0 {
		return 0
	}
	return (l.Per/time.Duration(l.Rate) + time.Microsecond - 1).Truncate(time.Microsecond)
}

// texts are the limit's parts as a setting has them.
func (l Limit) texts() []string {
	var parts []string
	if l.Rate > 0 {
		unit := slices.IndexFunc(units, func(u unit) bool { return u.per == l.Per })
		text := fmt.Sprintf("%d/%s", l.Rate, units[max(0, unit)].name)
		if l.Burst > 1 {
			text += fmt.Sprintf(" burst %d", l.Burst)
		}
		parts = append(parts, text)
	}
	if l.AtOnce > 0 {
		parts = append(parts, strconv.Itoa(l.AtOnce))
	}
	return parts
}

// unit is a time that rates are given in.
type unit struct {
	name string
	per  time.Duration
}

var units = []unit{{"s", time.Second}, {"min", time.Minute}, {"h", time.Hour}}

// Limits are limits by name. As text they are a list of name=limit, where a limit is a rate, as 10/s, 500/min or 100/h, a rate
// with the number of requests that may come together after a pause, as 500/min burst 20, or a number at once, as 20. A name
// may have a rate and a number at once: feedback=10/s,feedback=20. Without a burst requests are evenly spread: 10/s is one
// every 100 ms, so that no second of a vendor's clock ever has more than ten.
type Limits map[string]Limit

// limitMost bounds the numbers of a limit.
const limitMost = 1_000_000

// UnmarshalText reads the form above. The error tells all problems.
func (l *Limits) UnmarshalText(text []byte) error {
	limits := Limits{}
	var problems []string
	for item := range strings.SplitSeq(string(text), ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		if err := limits.add(item); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	*l = limits
	return nil
}

// MarshalText writes the form above, sorted by name.
func (l Limits) MarshalText() ([]byte, error) {
	var items []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		for _, text := range l[name].texts() {
			items = append(items, name+"="+text)
		}
	}
	return []byte(strings.Join(items, ",")), nil
}

// add reads one item of the list.
func (l Limits) add(item string) error {
	name, text, ok := strings.Cut(item, "=")
	name = strings.TrimSpace(name)
	if !ok || !plainName(name) {
		return fmt.Errorf("%q is no limit: write name=limit, as feedback=10/s", strings.TrimSpace(item))
	}
	next, err := parseLimit(text)
	if err != nil {
		return fmt.Errorf("%s=%s: %w", name, strings.TrimSpace(text), err)
	}
	limit := l[name]
	switch {
	case next.Rate > 0 && limit.Rate > 0:
		return fmt.Errorf("%s has two rates", name)
	case next.AtOnce > 0 && limit.AtOnce > 0:
		return fmt.Errorf("%s has two numbers at once", name)
	case next.Rate > 0:
		next.AtOnce = limit.AtOnce
		l[name] = next
	default:
		limit.AtOnce = next.AtOnce
		l[name] = limit
	}
	return nil
}

// plainName reports whether a name is safe in keys: small letters, digits, - _ and a full stop.
func plainName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	})
}

var errLimitForm = errors.New("want a rate, as 10/s, 500/min, 100/h or 500/min burst 20, or a number at once, as 20")

// parseLimit reads a rate or a number at once.
func parseLimit(text string) (Limit, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Limit{}, errLimitForm
	}
	count, per, paced := strings.Cut(words[0], "/")
	n, err := number(count)
	switch {
	case err != nil:
		return Limit{}, err
	case !paced && len(words) == 1:
		return Limit{AtOnce: n}, nil
	case !paced || len(words) != 1 && (len(words) != 3 || words[1] != "burst"):
		return Limit{}, errLimitForm
	}
	i := slices.IndexFunc(units, func(u unit) bool { return u.name == per })
	if i < 0 {
		return Limit{}, errLimitForm
	}
	l := Limit{Rate: n, Per: units[i].per, Burst: 1}
	if len(words) == 3 {
		l.Burst, err = number(words[2])
	}
	return l, err
}

func number(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, errLimitForm
	}
	if n < 1 || n > limitMost {
		return 0, fmt.Errorf("%d is not from 1 to %d; to stop a stage, pause it", n, limitMost)
	}
	return n, nil
}
