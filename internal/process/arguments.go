package process

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
)

// exitUsage is the exit code of a process that was started with arguments it does not know.
const exitUsage = 2

// arguments answers what a process is asked on its command line. It reports false when there is nothing to answer, and the process is to
// run: then it has no arguments, since its settings come from the environment.
func arguments(name, does string, args []string, stdout, stderr io.Writer) (code int, answered bool) {
	switch {
	case len(args) == 0:
		return 0, false
	case len(args) == 1 && slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]):
		_, _ = fmt.Fprintf(stdout, `%s %s.
Run it without arguments; --version prints its version. Its settings come from the environment, under the names that
.env.example lists. SIGINT or SIGTERM stops it when it has finished what it began; a second one ends it at
once. It exits with 0 when it was stopped, %d when it cannot run as it is set up, %d when its arguments are wrong,
and 1 after any other failure.
`, name, does, ExitSetup, exitUsage)
		return 0, true
	case len(args) == 1 && slices.Contains([]string{"-version", "--version", "version"}, args[0]):
		_, _ = fmt.Fprintf(stdout, "%s %s\n", name, version())
		return 0, true
	default:
		_, _ = fmt.Fprintf(stderr, "%s: it takes no argument such as %q; its settings come from the environment (see %s --help)\n", name, args[0], name)
		return exitUsage, true
	}
}

// version is that of the source the program was built from, as the go command recorded it: "(devel)" where it was told to look at no
// repository.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "of unknown version"
	}
	return info.Main.Version + " built with " + info.GoVersion
}
