// Package client talks to the OKTalk API: it posts recordings, follows evaluations and fetches audio. The command-line tool
// uses it, and so do tests of the whole path.
//
// [Client.Follow] does what every client of the progress socket should do: it connects again when the connection breaks or the server
// asks for it (close codes 4000 to 4499), after a short random pause that grows, stops at 4500 and above, and passes on only what is
// newer than what was seen.
package client
