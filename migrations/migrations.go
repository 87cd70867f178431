// Package migrations embeds the numbered SQL files that make and change OKTalk's PostgreSQL schema.
//
// They go up and down and are run in order by postgres.Migrate, which takes a lock. A migration expands before it contracts:
// the program one version older must run on the new schema.
package migrations

import "embed"

// FS holds the SQL files.
//
//go:embed *.sql
var FS embed.FS
