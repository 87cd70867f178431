package pipeline

import "time"

// Left is what a transaction left in the outbox, for the process that committed it to send at once: what its rows ask for, as the
// transaction made it.
type Left struct {
	Outgoing
	Rows  []Row
	Since time.Time // before any of the rows was written
}

// Row is a row of the outbox.
type Row struct {
	To Destination
	ID int64
}
