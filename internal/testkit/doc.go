// Package testkit gives tests real servers and fixtures of their own.
//
// The servers are started by the first test of a test program that asks and shared by all of its tests; each test gets a
// database, a bucket and a key prefix that no other has, so tests run in parallel. Nothing is left behind: [Main] stops the
// servers at the end, the kernel does when the program is killed (see devstack), and the next test program removes the
// folder of one that was.
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
//
//	func TestStore(t *testing.T) {
//		t.Parallel()
//		db := open(t, testkit.Database(t, postgres.Migrate))
//		…
//	}
package testkit
