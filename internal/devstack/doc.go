// Package devstack runs private PostgreSQL, Redis and S3 servers for `oktalk dev` and for tests.
//
// [OpenState] takes the folder in which everything is kept, for one process at a time; [Start] starts the servers on
// loopback with their data, ports and passwords from that folder, so that a second start finds what the first one left,
// under the same addresses: a signed URL or a connection string survives a restart.
//
//	<folder>/lock         held while a stack runs; names its process
//	<folder>/state.json   ports and secrets (mode 0600)
//	<folder>/run/*.pid    running children, to find those that outlived a killed parent
//	<folder>/logs/*.log   what the servers say
//	<folder>/postgres     data of PostgreSQL; as root in /var/lib/oktalk/dev-<hash of the folder's path>
//	<folder>/redis, s3    data of Redis and of the object store
//
// # Children and their parent
//
// Each server is a [Process]: a child in a process group of its own, so that Ctrl-C in a terminal reaches the parent
// alone, which then stops the children in order. A child must not outlive its parent either, even one that was killed
// without a chance to clean up. On Linux the kernel sees to that (PR_SET_PDEATHSIG). Elsewhere, and where that is not
// enough, the next start finds the old process by its pid file, makes sure by its start time that it is the same one,
// and stops it first.
//
// A [Supervisor] keeps processes running: it names one that died, says why, and starts it again with a growing pause.
//
// # What it does not do
//
// The servers are for development: one node each, no TLS, no backup, reachable from this machine only.
package devstack
