#!/usr/bin/env bash
# Installs what OKTalk needs on this machine and is not there yet, through the machine's package manager, asking nothing.
# What cannot be installed is named, with the one command that would, and the script fails. With everything in place it
# takes a tenth of a second.
#
#   scripts/setup.sh          install what is missing
#   scripts/setup.sh --check  only say what is missing
set -euo pipefail

readonly go_wanted=26 # Go 1.26, as in go.mod
readonly postgres_wanted=15

die() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# PostgreSQL's server programs are often not on PATH. The same folders are in internal/devstack/programs.go.
have_postgres() {
	local initdb major
	for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
		/usr/libexec/postgresql*/initdb /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb \
		/home/linuxbrew/.linuxbrew/opt/postgresql*/bin/initdb /Applications/Postgres.app/Contents/Versions/*/bin/initdb; do
		[ -n "$initdb" ] && [ -x "$initdb" ] && [ -x "${initdb%initdb}postgres" ] || continue
		major=$("$initdb" --version | sed 's/.*(PostgreSQL) \([0-9]*\).*/\1/')
		[ "${major:-0}" -ge "$postgres_wanted" ] && return 0
	done
	return 1
}

# The acoustic model: the places where packages put it.
have_model() {
	local dir
	for dir in "${ASSESSOR_MODEL_DIR:-}" /usr/share/pocketsphinx/model/en-us /usr/local/share/pocketsphinx/model/en-us \
		/opt/homebrew/share/pocketsphinx/model/en-us; do
		[ -n "$dir" ] && [ -f "$dir/en-us/mdef" ] && return 0
	done
	return 1
}

# A C compiler and the headers of the C library.
have_cc() { have "${CC:-cc}" && echo '#include <stdlib.h>' | "${CC:-cc}" -E - >/dev/null 2>&1; }

# missing prints what is not there, one name a line.
missing() {
	have_postgres || echo postgres
	have redis-server || have valkey-server || echo redis
	have flite || echo flite
	have espeak-ng || echo espeak-ng
	have ffmpeg || echo ffmpeg
	have_model || echo model
	have sox || echo sox # for the tests, as is the next
	have_cc || echo cc # for the race detector of make test
	have curl || echo curl
}

# package names a thing as a package manager calls it. Nothing: it has no such package.
package() {
	case "$1:$2" in
	apt:postgres) echo postgresql ;;
	apt:redis) echo redis-server ;;
	apt:cc) echo gcc libc6-dev ;;
	apt:model) echo pocketsphinx-en-us ;;
	dnf:postgres) echo postgresql-server ;;
	dnf:redis) dnf -q list redis >/dev/null 2>&1 && echo redis || echo valkey ;;
	dnf:model) echo pocketsphinx-models ;;
	dnf:ffmpeg) echo ffmpeg-free ;;
	pacman:postgres) echo postgresql ;;
	pacman:redis) echo valkey ;;
	pacman:model) ;; # only in the AUR
	apk:postgres) echo postgresql ;;
	apk:cc) echo gcc musl-dev ;;
	apk:model) ;;
	brew:postgres) echo postgresql@17 ;;
	brew:model) echo cmu-pocketsphinx ;;
	brew:cc) ;; # xcode-select --install
	*:cc) echo gcc ;;
	*) echo "$2" ;;
	esac
}

manager() {
	local m
	for m in apt-get dnf pacman apk brew; do
		if have "$m"; then
			echo "${m%-get}"
			return
		fi
	done
}

# install_command is what installs packages with a manager, without questions.
install_command() {
	case "$1" in
	apt) echo "apt-get install -y --no-install-recommends" ;;
	dnf) echo "dnf install -y" ;;
	pacman) echo "pacman -S --needed --noconfirm" ;;
	apk) echo "apk add" ;;
	brew) echo "brew install" ;;
	esac
}

# elevate says how to run a command as root: not at all when we are, with sudo if that asks for no password.
elevate() {
	if [ "$(id -u)" = 0 ] || [ "$1" = brew ]; then
		echo run
	elif have sudo && sudo -n true 2>/dev/null; then
		echo sudo
	else
		echo cannot
	fi
}

check_go() {
	local version minor
	have go || die "Go is not installed: get Go 1.$go_wanted or newer from https://go.dev/dl/"
	# In the checkout, where Go from 1.21 on gets the version of go.mod by itself if it may; elsewhere it says its own.
	version=$(go env GOVERSION 2>/dev/null || (cd / && go env GOVERSION))
	minor=$(printf '%s' "$version" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
	[ "${minor:-999}" -ge "$go_wanted" ] ||
		die "Go 1.$go_wanted or newer is needed and this is ${version#go}: get it from https://go.dev/dl/"
}

# apt_knows says whether apt has heard of all packages: fresh containers come without lists.
apt_knows() {
	local p
	for p in "$@"; do
		apt-cache show "$p" >/dev/null 2>&1 || return 1
	done
}

install() { # manager, as (run or sudo), packages…
	local m=$1 as=$2
	shift 2
	local sudo=()
	[ "$as" = sudo ] && sudo=(sudo -n)
	if [ "$m" != apt ]; then
		# shellcheck disable=SC2046 # the words of the command
		${sudo[@]+"${sudo[@]}"} $(install_command "$m") "$@"
		return
	fi
	local apt=(${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
	apt_knows "$@" || "${apt[@]}" update
	# The lists may be older than the mirror, which has dropped their versions: fetch them then and try again.
	"${apt[@]}" install -y --no-install-recommends "$@" || {
		"${apt[@]}" update
		"${apt[@]}" install -y --no-install-recommends "$@"
	}
}

# OKTalk starts its own PostgreSQL, so Debian's package need not make and run one for the whole machine. The setting holds
# for this installation only; one that is there already stays.
no_system_cluster() {
	local as=$1 file=/etc/postgresql-common/createcluster.d/oktalk-setup.conf
	[ -e /etc/postgresql-common ] && return
	local sudo=()
	[ "$as" = sudo ] && sudo=(sudo -n)
	${sudo[@]+"${sudo[@]}"} mkdir -p "${file%/*}"
	echo 'create_main_cluster = false' | ${sudo[@]+"${sudo[@]}"} tee "$file" >/dev/null
	# shellcheck disable=SC2064 # as it is now
	trap "${sudo[*]-} rm -f '$file'" EXIT
}

# by_hand is the command a person would type to install packages.
by_hand() { # manager, packages…
	local m=$1 sudo=
	shift
	if [ "$m" != brew ] && [ "$(id -u)" != 0 ] && have sudo; then
		sudo="sudo "
	fi
	[ "$m" != apt ] || apt_knows "$@" || echo -n "${sudo}apt-get update && "
	echo "$sudo$(install_command "$m") $*"
}

main() {
	check_go
	local wanted m as log thing packages=()
	wanted=$(missing | tr '\n' ' ')
	[ -n "$wanted" ] || return 0
	[ "${1:-}" != --check ] || die "missing: $wanted"
	m=$(manager)
	[ -n "$m" ] || die "missing: ${wanted% }; no package manager is known here to install it with.$(hints $wanted)"
	for thing in $wanted; do
		packages+=($(package "$m" "$thing"))
	done
	if [ "${#packages[@]}" -gt 0 ]; then
		as=$(elevate "$m")
		[ "$as" != cannot ] || die "missing: ${wanted% }; installing needs root. Run this command as root, then try again: $(by_hand "$m" "${packages[@]}")"
		echo "setup: installing ${packages[*]} (a minute or two)"
		case "$m ${packages[*]} " in "apt "*"postgresql "*) no_system_cluster "$as" ;; esac
		log=$(mktemp)
		if ! install "$m" "$as" "${packages[@]}" >"$log" 2>&1 </dev/null; then
			tail -20 "$log" >&2
			die "the installation failed (all of it in $log). Try it by hand: $(by_hand "$m" "${packages[@]}")"
		fi
		rm -f "$log"
	fi
	wanted=$(missing | tr '\n' ' ')
	[ -z "$wanted" ] || die "still missing: ${wanted% }.$(hints $wanted)"
	echo "setup: everything is in place"
}

# hints says how to get what no package manager here has, or what it installed in another version.
hints() {
	local thing
	for thing in "$@"; do
		case "$thing" in
		model) echo -n " The acoustic model: git clone --depth 1 https://github.com/cmusphinx/pocketsphinx &&" \
			"sudo mkdir -p /usr/local/share/pocketsphinx && sudo cp -r pocketsphinx/model /usr/local/share/pocketsphinx/." ;;
		postgres) echo -n " PostgreSQL must be $postgres_wanted or newer: https://www.postgresql.org/download/." ;;
		cc) [ "$(uname)" != Darwin ] || echo -n " A C compiler: xcode-select --install." ;;
		esac
	done
}

main "$@"
