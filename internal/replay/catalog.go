package replay

import (
	"fmt"
	"slices"
	"strings"

	"oktalk/internal/evaluation"
)

// Provider is whom a replay can ask to do a stage's work.
type Provider struct {
	Name    string
	Models  []string // models or voices; empty: none can be chosen
	Prompts []string // versions of its prompt; empty: none can be chosen
}

// Catalog lists the providers of each stage, the configured one first. A stage that is not in it cannot be replayed.
type Catalog map[evaluation.StageName][]Provider

// check refuses what no provider of the stage has, so that nothing is enqueued that must fail.
func (c Catalog) check(r Request) error {
	providers, ok := c[r.Stage]
	if !ok {
		return refuse("stage %q cannot be replayed; %s can", r.Stage, list(c.stages()))
	}
	p := providers[0]
	if r.Provider != "" {
		i := slices.IndexFunc(providers, func(p Provider) bool { return p.Name == r.Provider })
		if i < 0 {
			var names []string
			for _, p := range providers {
				names = append(names, p.Name)
			}
			return refuse("stage %s has no provider %q; it has %s", r.Stage, r.Provider, list(names))
		}
		p = providers[i]
	}
	if err := choose(p.Name, "model or voice", r.Model, p.Models); err != nil {
		return err
	}
	return choose(p.Name, "prompt", r.Prompt, p.Prompts)
}

func choose(provider, what, asked string, offered []string) error {
	switch {
	case asked == "" || slices.Contains(offered, asked):
		return nil
	case len(offered) == 0:
		return refuse("provider %s has no %s to choose; %q was asked for", provider, what, asked)
	}
	return refuse("provider %s has no %s %q; it has %s", provider, what, asked, list(offered))
}

func (c Catalog) stages() []string {
	var names []string
	for _, s := range evaluation.Stages() {
		if _, ok := c[s.Name]; ok {
			names = append(names, string(s.Name))
		}
	}
	return names
}

func list(names []string) string { return strings.Join(names, ", ") }

// refuse makes an error about what the caller asked for.
func refuse(format string, args ...any) error {
	return evaluation.Refuse("invalid-request", sentence(fmt.Sprintf(format, args...)))
}

func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
