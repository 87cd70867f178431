// Package account answers who a caller is: users, their API keys, and the short-lived tickets that open progress sockets.
//
// # Keys
//
// A key is "okt_" and 43 characters that encode 256 random bits. Only its SHA-256 is stored: what is random needs no slow
// hash. It is shown once, when it is made; afterwards a list shows its first characters ([Key.Hint]).
//
// # Tickets
//
// A browser's WebSocket cannot send an Authorization header, so a caller with a key asks for a ticket and puts it into the
// URL. URLs end up in logs and histories, so a ticket is worth little: a JSON Web Token (RFC 7519, HS256) that is
// bound to one user and one evaluation, lives for [TicketLife] and is used once. That it was used is remembered outside
// this package ([Once]); while that memory is away, signature and expiry suffice, since a ticket that opens one
// evaluation's progress twice within a minute does less harm than a socket that cannot be opened.
package account
