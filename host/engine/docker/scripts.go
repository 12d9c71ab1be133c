package docker

// What runs inside PostgreSQL's container: POSIX shell and what both the
// Debian and the Alpine variant have.
//
// One rule holds for all of it: nothing is left behind for process 1. There
// PostgreSQL is process 1, it inherits orphans, and an orphan that died of a
// signal is to the postmaster a crashed backend: it would restart the server
// (CleanupBackend in postmaster.c). So every process here is waited for by its
// parent, and whoever has to be ended is ended from the leaves up.

// serverPlace finds the server's port and socket directory as the server
// itself wrote them into postmaster.pid (lines 4 and 5), so that a changed
// port or unix_socket_directories is followed. In a pipe's or a device's place
// a reader would wait for ever, and a link leads elsewhere.
const serverPlace = `f="${PGDATA:-/var/lib/postgresql/data}/postmaster.pid"
port=; sock=
if [ -f "$f" ] && [ ! -L "$f" ]; then
port=$(head -c 4096 "$f" 2>/dev/null | sed -n 4p); sock=$(head -c 4096 "$f" 2>/dev/null | sed -n 5p)
fi
port=${port:-${PGPORT:-5432}}; sock=${sock:-/var/run/postgresql}
`

// isReady asks over TCP: the server of the official image's first start has
// the socket only, and does not last.
// The user is named, since a uid without a name in the image has none to fall
// back on; whether the role exists does not matter.
const isReady = `LC_ALL=C pg_isready -q -h 127.0.0.1 -p "$port" -U postgres -d postgres
`

// untilReady waits inside the container, since an exec costs more than a
// probe; five seconds at a time, so that it does not outlive us for long. A
// recovery is read off pg_control, which says it in no person's language:
// "in production" of a server that refuses is the last one's, from before the
// recovery has begun.
const untilReady = `export LC_ALL=C
i=0
while [ $i -lt 50 ]; do
` + serverPlace + isReady + `r=$?
[ $r = 0 ] && { echo ready; exit 0; }
if [ $i = 5 ] && [ $r = 1 ] && [ "$1" = tell ] && pg_controldata "$PGDATA" 2>/dev/null | grep -Eq 'in (crash recovery|production)'; then
echo recovery; exit 0
fi
i=$((i+1)); sleep 0.1
done
`

// relay carries bytes between its own streams and the server's socket. It
// first says "+" when it is connected, or the reason. When our side has
// closed, the server gets to know it, and after two silent seconds the relay goes by
// itself: a backend in a long query would not notice, and nothing of ours may
// stay behind. (bash's wait -n waits for the next end: one that was before it
// goes unnoticed.) Perl is in the Debian variant, nc and bash in Alpine's, where
// the loopback stands in for the socket: pg_hba.conf of the image treats both
// alike.
const relay = serverPlace + `if command -v perl >/dev/null 2>&1; then
exec perl -e '
use strict; use Socket; use Fcntl; use Errno qw(EAGAIN EINTR);
my $path = shift;
binmode STDIN; binmode STDOUT;
my $s;
socket($s, PF_UNIX, SOCK_STREAM, 0) && connect($s, sockaddr_un($path)) or do { print "connect $path: $!\n"; exit 1 };
syswrite STDOUT, "+" or exit 1;
$SIG{PIPE} = "IGNORE";
for my $h (\*STDIN, \*STDOUT, $s) { fcntl $h, F_SETFL, O_NONBLOCK | fcntl $h, F_GETFL, 0 }
my ($up, $down, $in, $server) = ("", "", 1, 1);
sub fill { my $n = sysread $_[0], $_[1], 65536; return 1 if $n || !defined $n && ($! == EAGAIN || $! == EINTR); 0 }
sub drain { my $n = syswrite $_[0], $_[1]; return $! == EAGAIN || $! == EINTR if !defined $n; substr $_[1], 0, $n, ""; 1 }
while ($server || length $down) {
  my ($r, $w) = ("", "");
  vec($r, 0, 1) = 1 if $in && !length $up;
  vec($r, fileno $s, 1) = 1 if $server && !length $down;
  vec($w, fileno $s, 1) = 1 if $server && length $up;
  vec($w, 1, 1) = 1 if length $down;
  my $n = select $r, $w, undef, $in ? undef : 2;
  next if $n < 0;
  last if $n == 0;
  if (vec $r, 0, 1) { fill(*STDIN, $up) or $in = 0 }
  if ($server && vec $r, fileno $s, 1) { fill($s, $down) or $server = 0 }
  if ($server && length $up && vec $w, fileno $s, 1) { drain($s, $up) or $server = 0 }
  if (vec $w, 1, 1) { drain(*STDOUT, $down) or last }
  if (!$in && !length $up) { shutdown $s, 1 }
}
' "$sock/.s.PGSQL.$port"
fi
if command -v nc >/dev/null 2>&1 && nc "local:$sock/.s.PGSQL.$port" </dev/null >/dev/null 2>&1; then
printf +; exec nc "local:$sock/.s.PGSQL.$port"
fi
if command -v bash >/dev/null 2>&1; then
exec bash -c '
exec 3<>"/dev/tcp/127.0.0.1/$1" || { echo "connect 127.0.0.1:$1 failed"; exit 1; }
printf +
cat <&0 >&3 & in=$!
cat <&3 & out=$!
kill -0 $in 2>/dev/null && kill -0 $out 2>/dev/null && wait -n
for i in 1 2 3 4 5 6 7 8 9 10; do
kill -0 $in 2>/dev/null || kill -0 $out 2>/dev/null || break
kill -0 $out 2>/dev/null || break
sleep 0.2
done
kill $in $out 2>/dev/null
wait
' bash "$port" 2>&1
fi
echo "the image has neither perl nor nc nor bash"; exit 1
`

// clientProgram runs a client program beside the server. Its pid goes ahead of
// everything on stderr, so that it can be ended when nobody waits any more:
// ending the docker client alone would leave it running.
const clientProgram = serverPlace + `echo "odpm-pid $$" >&2
`

// endProgram ends the process $1 from the leaves of its tree up: pg_dumpall
// runs pg_dump below a shell, and the shell and pg_dump must not become
// process 1's.
const endProgram = `leaf() {
p=$1
while :; do
c=
for s in /proc/[0-9]*/stat; do
line=$(cat "$s" 2>/dev/null) || continue
set -- ${line##*) }
[ "$2" = "$p" ] && [ "$1" != Z ] && { c=${s#/proc/}; c=${c%/stat}; }
done
[ -n "$c" ] || break
p=$c
done
echo "$p"
}
i=0
while kill -0 "$1" 2>/dev/null && [ $i -lt 100 ]; do
sig=TERM
[ $i -lt 50 ] || sig=KILL
kill -$sig "$(leaf "$1")" 2>/dev/null
i=$((i+1)); sleep 0.1
done
`
