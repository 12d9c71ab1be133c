package render

import (
	"cmp"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/shared/handoff"
)

// The labels that the parts find each other by.
const (
	appLabel  = "app.kubernetes.io/name"
	roleLabel = "app.kubernetes.io/component"
)

func (k *kubernetes) selector(role string) obj {
	return obj{appLabel, k.name, roleLabel, role}
}

func (k *kubernetes) metadata(name, role string) obj {
	m := obj{"name", name}
	if k.o.Namespace != "" {
		m = append(m, "namespace", k.o.Namespace)
	}
	return append(m, "labels", append(k.selector(role), "app.kubernetes.io/managed-by", "odpm"))
}

func (k *kubernetes) configMap(hand string) obj {
	return obj{"apiVersion", "v1", "kind", "ConfigMap", "metadata", k.metadata(k.name, "config"),
		"data", obj{handoff.FileName, hand, "odoo.conf", k.conf}}
}

// volumeClaim is the file store's. Several replicas on several nodes need one
// that all of them can write.
func (k *kubernetes) volumeClaim() obj {
	mode := "ReadWriteOnce"
	if k.o.Replicas > 1 {
		mode = "ReadWriteMany"
		k.note("more than one replica shares the file store: its StorageClass must offer ReadWriteMany (NFS, CephFS, …)")
	}
	return obj{"apiVersion", "v1", "kind", "PersistentVolumeClaim", "metadata", k.metadata(k.name+"-data", "data"),
		"spec", obj{"accessModes", list{mode}, "resources", obj{"requests", obj{"storage", k.o.Storage}}}}
}

// ports are Odoo's, as odoo.conf has them.
func (k *kubernetes) ports() (http, gevent int) {
	return k.spec().OdooPorts()
}

func (k *kubernetes) service() obj {
	http, gevent := k.ports()
	return obj{"apiVersion", "v1", "kind", "Service", "metadata", k.metadata(k.name, "web"),
		"spec", obj{"selector", k.selector("web"), "ports", list{
			obj{"name", "http", "port", compose.OdooHTTPPort, "targetPort", http},
			obj{"name", "gevent", "port", compose.OdooGeventPort, "targetPort", gevent},
		}}}
}

// networkPolicy lets nothing in but to Odoo's ports.
func (k *kubernetes) networkPolicy() obj {
	http, gevent := k.ports()
	return obj{"apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata", k.metadata(k.name, "web"),
		"spec", obj{"podSelector", obj{"matchLabels", k.selector("web")}, "policyTypes", list{"Ingress"},
			"ingress", list{obj{"ports", list{obj{"port", http}, obj{"port", gevent}}}}}}
}

func (k *kubernetes) deployment() obj {
	strategy := obj{"type", "RollingUpdate"}
	if k.o.Replicas == 1 {
		// A volume for one node cannot be with two pods on two nodes.
		strategy = obj{"type", "Recreate"}
	}
	http, gevent := k.ports()
	odoo := k.odoo(nil)
	odoo = append(odoo,
		"ports", list{obj{"name", "http", "containerPort", http}, obj{"name", "gevent", "containerPort", gevent}},
		"readinessProbe", obj{"httpGet", obj{"path", "/web/health", "port", "http"}, "periodSeconds", 10, "timeoutSeconds", 5},
		// Loading the registry of a large database takes its time.
		"startupProbe", obj{"tcpSocket", obj{"port", "http"}, "periodSeconds", 5, "failureThreshold", 120},
	)
	if k.Project.OdooMajor != 0 && k.Project.OdooMajor < 15 {
		// /web/health came with 15.
		for i := 0; i < len(odoo); i += 2 {
			if odoo[i] == "readinessProbe" {
				odoo[i+1] = obj{"tcpSocket", obj{"port", "http"}, "periodSeconds", 10}
			}
		}
	}
	pod := append(obj{"metadata", obj{"labels", k.selector("web"), "annotations", obj{"odpm.org/config", k.checksum}}}, "spec", k.pod(odoo, "Always", 60))
	return obj{"apiVersion", "apps/v1", "kind", "Deployment", "metadata", k.metadata(k.name, "web"),
		"spec", obj{"replicas", k.o.Replicas, "strategy", strategy, "selector", obj{"matchLabels", k.selector("web")}, "template", pod}}
}

// updateJob runs once, alone, and starts no server. Its name is always the
// same, so that there cannot be two.
func (k *kubernetes) updateJob() obj {
	args := []string{"-d", k.o.Database}
	if k.o.Init != "" {
		args = append(args, "-i", k.o.Init)
	}
	if k.o.Update != "" {
		args = append(args, "-u", k.o.Update)
	}
	args = append(args, "--stop-after-init", "--no-http")
	return obj{"apiVersion", "batch/v1", "kind", "Job", "metadata", k.metadata(k.jobName(), "update"),
		"spec", obj{"backoffLimit", 0, "completions", 1, "parallelism", 1, "template", obj{
			"metadata", obj{"labels", k.selector("update")}, "spec", k.pod(k.odoo(args), "Never", 600)}}}
}

func (k *kubernetes) pod(odoo obj, restart string, grace int) obj {
	volumes := list{
		obj{"name", "config", "configMap", obj{"name", k.name}},
		obj{"name", "data", "persistentVolumeClaim", obj{"claimName", k.name + "-data"}},
		obj{"name", "tmp", "emptyDir", obj{}},
	}
	if k.o.CASecret != "" {
		volumes = append(volumes, obj{"name", "ca", "secret", obj{"secretName", k.o.CASecret, "items", list{obj{"key", "ca.crt", "path", "ca.crt"}}}})
	}
	return obj{
		"restartPolicy", restart,
		"automountServiceAccountToken", false,
		// ODPM_DB_PORT=tcp://… and DB_PORT=… are what they would set.
		"enableServiceLinks", false,
		"terminationGracePeriodSeconds", grace,
		"securityContext", obj{"fsGroup", odooGroup, "fsGroupChangePolicy", "OnRootMismatch", "seccompProfile", obj{"type", "RuntimeDefault"}},
		"initContainers", list{k.prove()},
		"containers", list{odoo},
		"volumes", volumes,
	}
}

// prove is the checker as an init container: its termination message is what
// it proved, which odpm plan --baseline compares.
func (k *kubernetes) prove() obj {
	args := list{"--check", "--timeout", checkerTimeout, "--result", "/dev/termination-log", "--no-record"}
	c := obj{"name", "prove"}
	if k.o.CheckerImage != "" {
		c = append(c, "image", k.o.CheckerImage, "args", args)
	} else {
		c = append(c, "image", k.image(), "command", list{checkerInImage}, "args", append(append(args, "--"), k.program(nil)...))
	}
	security := obj{"allowPrivilegeEscalation", false, "readOnlyRootFilesystem", true, "capabilities", obj{"drop", list{"ALL"}}}
	if k.o.CheckerImage != "" {
		security = append(security, "runAsNonRoot", true, "runAsUser", 65532, "runAsGroup", 65532)
	}
	return append(c, "env", append(k.env(), k.proofEnv()...), "terminationMessagePolicy", "FallbackToLogsOnError",
		"securityContext", security, "volumeMounts", k.mounts(false))
}

// odoo is Odoo's container. Where its image carries the checker that goes in
// front there as well: an init container does not run again when a container
// restarts.
func (k *kubernetes) odoo(more []string) obj {
	c := obj{"name", "odoo", "image", k.image()}
	program := k.program(more)
	if k.o.CheckerImage == "" {
		c = append(c, "command", list{checkerInImage}, "args", append(list{"--timeout", checkerTimeout, "--no-record", "--"}, program...))
	} else {
		c = append(c, "command", program[:1], "args", program[1:])
	}
	return append(c, "env", append(k.env(), k.proofEnv()...),
		"securityContext", obj{"allowPrivilegeEscalation", false, "capabilities", obj{"drop", list{"ALL"}}},
		"volumeMounts", k.mounts(true))
}

// program starts Odoo by its name and not through the image's entrypoint,
// which would put the password into the process's arguments.
func (k *kubernetes) program(more []string) list {
	var words list
	for _, w := range append(k.spec().OdooCommand(), more...) {
		words = append(words, w)
	}
	return words
}

// env is the connection: libpq's variables, which every Odoo follows where
// odoo.conf and the command line say nothing.
func (k *kubernetes) env() list {
	from := func(name, key string, optional bool) obj {
		ref := obj{"name", k.o.Secret, "key", key}
		if optional {
			ref = append(ref, "optional", true)
		}
		return obj{"name", name, "valueFrom", obj{"secretKeyRef", ref}}
	}
	value := func(name, value string) obj { return obj{"name", name, "value", value} }
	var env list
	host := k.confValue("db_host")
	if k.Project.External && host != "" {
		env = append(env, value("PGHOST", host))
		if port := k.confValue("db_port"); port != "" {
			env = append(env, value("PGPORT", port))
		}
	} else {
		env = append(env, from("PGHOST", "host", false), from("PGPORT", "port", true))
	}
	env = append(env, from("PGUSER", cmp.Or(k.o.UserKey, "username"), false), from("PGPASSWORD", "password", false))
	if strings.Contains(host, ",") && k.confValue("db_replica_host") == "" {
		// A list: libpq would take the first that answers, and wait for one that
		// is frozen without end.
		env = append(env, value("PGTARGETSESSIONATTRS", "read-write"), value("PGCONNECT_TIMEOUT", "5"))
	}
	if k.o.CASecret != "" {
		env = append(env, value("PGSSLROOTCERT", "/etc/odoo-ca/ca.crt"))
	}
	return append(env, value("ODOO_RC", compose.OdooConfTarget), value("HOME", compose.OdooDataTarget))
}

// proofEnv is for the checker.
func (k *kubernetes) proofEnv() list {
	env := list{obj{"name", handoff.EnvID, "value", k.hand.ID}}
	for _, v := range []struct{ name, key string }{{"ODPM_DB_SSLMODE", "db_sslmode"}, {"ODPM_DB_NAME", "db_name"}} {
		if text := k.confValue(v.key); text != "" && k.o.CheckerImage != "" {
			env = append(env, obj{"name", v.name, "value", text})
		}
	}
	return env
}

func (k *kubernetes) mounts(odoo bool) list {
	at := func(name, path string, readOnly bool) obj {
		m := obj{"name", name, "mountPath", path}
		if readOnly {
			m = append(m, "readOnly", true)
		}
		return m
	}
	mounts := list{
		append(at("config", compose.OdooConfTarget, true), "subPath", "odoo.conf"),
		at("config", handoff.RuntimeDir, true),
	}
	if k.o.CASecret != "" {
		mounts = append(mounts, at("ca", "/etc/odoo-ca", true))
	}
	if odoo {
		mounts = append(mounts, at("data", compose.OdooDataTarget, false))
	}
	return append(mounts, at("tmp", "/tmp", false))
}
