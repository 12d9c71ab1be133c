// Package render writes the project for engines that span machines. It is pure:
// a project and what should be there in, YAML out. It talks to no cluster, and
// no secret is in what it writes, only the names of Secrets.
package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
)

// Input is the project as it should be.
type Input struct {
	Project project.Project
	// Candidate is what the next login is to prove (desired.Desired.Candidate).
	Candidate snapshot.Snapshot
}

// KubernetesOptions are what a project does not say.
type KubernetesOptions struct {
	// Namespace is "" for that of kubectl's context.
	Namespace string
	// Secret has the login: username and password, and host and port where
	// odoo.conf names no server outside of compose.
	Secret string
	// UserKey is the key of the role in Secret; "" is username. Crunchy's operator
	// calls it user.
	UserKey string
	// CASecret has ca.crt, for db_sslmode = verify-full; "" without.
	CASecret string
	// Replicas of Odoo.
	Replicas int
	// Image is Odoo's; "" is ODOO_IMAGE. CheckerImage has odpm-checker as its
	// entrypoint; "" where Odoo's image carries it.
	Image, CheckerImage string
	// Storage is the size of the file store's volume.
	Storage       string
	NetworkPolicy bool
	// Database, Init and Update make a Job of it, and nothing else.
	Database, Init, Update string
}

// Result is the YAML and what a person should know about it.
type Result struct {
	YAML  []byte
	Notes []string
	// Binds are the directories and files of a node that Swarm's containers need: it
	// makes none, as compose does.
	Binds []string
}

// The official image's group: what it writes into a volume belongs to it.
const odooGroup = 101

// checkerTimeout is long: a failover, or a node that is drained, takes minutes,
// and a pod that fails is started again with ever longer pauses.
const checkerTimeout = "5m"

const checkerInImage = "/usr/local/bin/odpm-checker"

var (
	notInName = regexp.MustCompile(`[^a-z0-9-]+`)
	quantity  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$`)
	isZero    = regexp.MustCompile(`^[0.]+[^0-9]*$`)
	// What a namespace may be called, and what a Secret may: an operator's may be
	// odoo.shop-pg.credentials.postgresql.acid.zalan.do.
	label   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	dataKey = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)
	dnsName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// longestName leaves room for jobName: a Job's name is a label of its pods, of
// 63 characters at most.
const longestName = 63 - len("-update")

// objectName is Odoo's service as all of the kinds may be called; a Service's
// name begins with a letter.
func objectName(service string) string {
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(service), "-"), "-")
	switch {
	case name == "":
		name = "odoo"
	case name[0] < 'a':
		name = "odoo-" + name
	}
	return strings.TrimRight(name[:min(len(name), longestName)], "-")
}

// kubernetes is one rendering.
type kubernetes struct {
	Input
	o    KubernetesOptions
	name string
	conf string
	hand *handoff.Handoff
	// checksum changes with the ConfigMap, so that pods are replaced with it.
	checksum string
	notes    []string
}

// Kubernetes renders a Deployment and what it needs, or a Job.
func Kubernetes(in Input, o KubernetesOptions) (*Result, error) {
	k := &kubernetes{Input: in, o: o}
	if err := k.check(); err != nil {
		return nil, err
	}
	k.name = objectName(in.Project.OdooServiceName)
	if in.Project.OdooConf == nil {
		k.conf = "[options]\nlist_db = False\n"
	} else {
		var leftOut []string
		k.conf, leftOut = publicConf(in.Project.OdooConf)
		if len(leftOut) > 0 {
			k.note("left out of the ConfigMap, since they are secrets: %s; without admin_passwd list_db is False, which closes the database manager", strings.Join(leftOut, ", "))
		}
	}
	cand := *in.Candidate.Clone()
	id, err := handoff.Identify(&cand, []byte(k.conf))
	if err != nil {
		return nil, err
	}
	k.hand = &handoff.Handoff{Version: handoff.Version, ID: id, Candidate: cand, OdooMajor: in.Project.OdooMajor}
	hand, err := k.hand.Encode()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(k.conf + "\x00" + string(hand)))
	k.checksum = hex.EncodeToString(sum[:8])
	if in.Project.AddonsDir != "" {
		k.note("addons/ of this project is not in the cluster: build it into the image (COPY addons /mnt/extra-addons)")
	}
	if mode := k.confValue("db_sslmode"); strings.HasPrefix(mode, "verify-") && o.CASecret == "" {
		k.note("db_sslmode = %s needs the certificate of the authority that signed the server's, in a Secret with the key ca.crt: --ca-secret NAME", mode)
	}
	if host := k.confValue("db_host"); in.Project.External && onlyHere(host) {
		k.note("db_host = %s is the pod itself in a pod: set db_host to a name or address that the cluster's nodes can reach", host)
	}
	if strings.HasPrefix(k.image(), "odpm/") {
		k.note("%s was built on this machine; push it to a registry and name it: --image", k.image())
	}
	docs := []obj{k.configMap(string(hand)), k.volumeClaim(), k.service(), k.deployment()}
	if o.NetworkPolicy {
		docs = append(docs, k.networkPolicy())
	}
	head := "# Written by: odpm render kubernetes. Save it as FILE and apply it with: kubectl apply -f FILE\n# Passwords are in Secret " + o.Secret + ", which is not written here.\n"
	if k.job() {
		docs = []obj{k.updateJob()}
		head = "# Written by: odpm render kubernetes. It works on one database alone, so stop Odoo first:\n" +
			"#   kubectl" + k.inNamespace() + " scale deployment " + k.name + " --replicas=0\n" +
			"#   kubectl" + k.inNamespace() + " wait --for=delete pod -l " + appLabel + "=" + k.name + "," + roleLabel + "=web --timeout=5m\n" +
			"#   kubectl" + k.inNamespace() + " create -f FILE\n" +
			"#   kubectl" + k.inNamespace() + " wait --for=condition=complete job/" + k.jobName() + " --timeout=1h\n" +
			"#   kubectl" + k.inNamespace() + " delete job " + k.jobName() + "\n" +
			"#   kubectl" + k.inNamespace() + " scale deployment " + k.name + " --replicas=" + strconv.Itoa(o.Replicas) + "\n"
	}
	text, err := documents(head, docs...)
	return &Result{YAML: text, Notes: k.notes}, err
}

// OptionError is an option that cannot be used.
type OptionError struct{ Option, Why string }

func (e *OptionError) Error() string { return e.Option + ": " + e.Why }

func (k *kubernetes) check() error {
	for _, c := range []struct {
		option, value string
		empty         bool
		is            *regexp.Regexp
		length        int
		expected      string
	}{
		{"--namespace", k.o.Namespace, true, label, 63, "lower-case letters, digits and dashes"},
		{"--secret", k.o.Secret, false, dnsName, 253, "lower-case letters, digits, dashes and dots"},
		{"--user-key", k.o.UserKey, true, dataKey, 253, "letters, digits, dashes, dots and underscores"},
		{"--ca-secret", k.o.CASecret, true, dnsName, 253, "lower-case letters, digits, dashes and dots"},
	} {
		if c.value == "" && c.empty {
			continue
		}
		if !c.is.MatchString(c.value) || len(c.value) > c.length {
			return &OptionError{c.option, fmt.Sprintf("expected %s, up to %d", c.expected, c.length)}
		}
	}
	switch {
	case k.o.Replicas < 1 || k.o.Replicas > 1000:
		return &OptionError{"--replicas", "expected 1 to 1000"}
	case !quantity.MatchString(k.o.Storage) || isZero.MatchString(k.o.Storage):
		return &OptionError{"--storage", "expected a size like 10Gi"}
	case (k.o.Init != "" || k.o.Update != "") && k.o.Database == "":
		return &OptionError{"--database", "expected the name of the database that --init or --update works on"}
	case k.o.Database != "" && !k.job():
		return &OptionError{"--database", "it goes with --init or --update"}
	case k.image() == "":
		return &OptionError{"--image", "the project names no image of Odoo (ODOO_IMAGE or odoo_version)"}
	}
	return nil
}

// onlyHere says whether one of the hosts in a list is this machine, by its loopback
// interface or by a socket.
func onlyHere(hosts string) bool {
	return slices.ContainsFunc(strings.Split(hosts, ","), func(host string) bool {
		ip := net.ParseIP(host)
		return host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
	})
}

func (k *kubernetes) note(format string, args ...any) {
	k.notes = append(k.notes, fmt.Sprintf(format, args...))
}

func (k *kubernetes) image() string { return cmp.Or(k.o.Image, k.Project.OdooImage) }

func (k *kubernetes) job() bool { return k.o.Init != "" || k.o.Update != "" }

func (k *kubernetes) jobName() string { return k.name + "-update" }

func (k *kubernetes) inNamespace() string {
	if k.o.Namespace == "" {
		return ""
	}
	return " -n " + k.o.Namespace
}

// confValue is an option of odoo.conf, "" where it is unset.
func (k *kubernetes) confValue(key string) string {
	if k.Project.OdooConf == nil {
		return ""
	}
	v, _ := k.Project.OdooConf.Value(key, k.Project.OdooMajor)
	return v
}

// spec is for what compose knows about Odoo's container.
func (k *kubernetes) spec() compose.Spec { return compose.Spec{Project: k.Project} }
