package main

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "odpm-release-"); err == nil {
		// Containers read it.
		err = os.Chmod(scratch, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// made is the release of HEAD, made once from a clone of its own.
var made = sync.OnceValues(func() (string, error) { return make1(filepath.Join(scratch, "first")) })

func released(t *testing.T) string {
	t.Helper()
	dist, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return dist
}

// make1 clones HEAD into a folder and releases it there.
func make1(folder string) (string, error) {
	clone := exec.Command("git", "clone", "--quiet", "--no-hardlinks", "..", folder)
	if out, err := clone.CombinedOutput(); err != nil {
		return "", fmt.Errorf("git clone: %w\n%s", err, out)
	}
	cmd := exec.Command("make", "--silent", "dist")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make dist: %w\n%s", err, out)
	}
	return filepath.Join(folder, "dist"), nil
}

func sh(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// one is the file of the release whose name ends so.
func one(t *testing.T, pattern string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(released(t), pattern))
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %q, %v", pattern, all, err)
	}
	return all[0]
}

// TestReproducible: the same commit in another folder makes the same bytes.
func TestReproducible(t *testing.T) {
	second, err := make1(filepath.Join(t.TempDir(), "another folder", "second"))
	if err != nil {
		t.Fatal(err)
	}
	sums := func(dir string) string {
		data, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if a, b := sums(released(t)), sums(second); a != b {
		t.Errorf("two releases of one commit:\n%s\n%s", a, b)
	}
	sh(t, released(t), "sha256sum --check --strict --quiet SHA256SUMS")
	// Nothing lies beside what is listed.
	if got, want := strings.Fields(sh(t, released(t), "ls")), strings.Count(sums(released(t)), "\n")+1; len(got) != want {
		t.Errorf("%q, and %d of them are listed", got, want-1)
	}
}

// TestArchives: programs of the right kind, the linux checkers beside each odpm.
func TestArchives(t *testing.T) {
	for _, p := range hosts {
		dir := t.TempDir()
		sh(t, dir, "tar --strip-components 1 -xzf "+one(t, "odpm_*_"+p.String()+".tar.gz"))
		odpm := filepath.Join(dir, "odpm")
		if p.os == "darwin" {
			f, err := macho.Open(odpm)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[p.arch]; f.Cpu != want {
				t.Errorf("%s: %v", p, f.Cpu)
			}
		} else {
			static(t, odpm, p.arch)
			static(t, filepath.Join(dir, "odpm-checker"), p.arch)
		}
		for _, c := range containers {
			static(t, filepath.Join(dir, "odpm-checker-linux-"+c.arch), c.arch)
		}
		for _, name := range []string{"LICENSE", "README.md", "man/odpm.1", "man/odpm-plan.1", "man/odpm-checker.1", "completions/_odpm", "completions/odpm.fish", "completions/odpm.bash"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %s: %v", p, name, err)
			}
		}
	}
}

func static(t *testing.T, path, arch string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want {
		t.Errorf("%s: %v", path, f.Machine)
	}
	if libs, err := f.ImportedLibraries(); err == nil && len(libs) > 0 {
		t.Errorf("%s needs %q", path, libs)
	}
}

// onDebian runs a script in a clean Debian that has the release in /dist.
func onDebian(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("docker", "run", "--rm", "--pull", "never", "--network", "none", "-v", released(t)+":/dist:ro", "debian:bookworm-slim", "sh", "-euc", script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// TestDeb: from nothing but the package to a working odpm, and back.
func TestDeb(t *testing.T) {
	deb := filepath.Base(one(t, "odpm_*_amd64.deb"))
	out := onDebian(t, `
before=$(find / -xdev -path /proc -prune -o -path /var/lib/dpkg -prune -o -path /var/log -prune -o -print | sort)
dpkg --install /dist/`+deb+` >/dev/null
odpm --version
odpm-checker --version
test -x /usr/lib/odpm/odpm-checker-linux-arm64
mkdir /tmp/project && cd /tmp/project
odpm init 2>&1
test -s .env && test -s odpm.json
odpm plan --plan-no-docker --skip-start
cd / && rm -r /tmp/project
dpkg --listfiles odpm | grep -c /man1/
dpkg --purge odpm >/dev/null
after=$(find / -xdev -path /proc -prune -o -path /var/lib/dpkg -prune -o -path /var/log -prune -o -print | sort)
test "$before" = "$after" && echo nothing is left
`)
	head := strings.TrimSpace(sh(t, ".", "git -C .. rev-parse HEAD"))[:12]
	for _, want := range []string{"(commit " + head + ", 20", "nothing is left"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if got := strings.TrimSpace(sh(t, released(t), "dpkg-deb --field odpm_*_"+arch+".deb Architecture")); got != arch {
			t.Errorf("%s: %s", arch, got)
		}
	}
}

// TestRPM: rpm itself reads it, and puts it below a root and removes it.
func TestRPM(t *testing.T) {
	for arch, file := range map[string]string{"x86_64": one(t, "odpm-*.x86_64.rpm"), "aarch64": one(t, "odpm-*.aarch64.rpm")} {
		if got := sh(t, ".", "rpm --query --package --queryformat '%{NAME} %{ARCH} %{LICENSE}' "+file); got != "odpm "+arch+" Apache-2.0" {
			t.Errorf("%q", got)
		}
		sh(t, ".", "rpm --checksig --nosignature "+file)
	}
	root := t.TempDir()
	file := one(t, "odpm-*.x86_64.rpm")
	sh(t, ".", "rpm --root "+root+" --initdb && rpm --root "+root+" --install --nodeps --ignorearch --nosignature "+file)
	if got := sh(t, ".", root+"/usr/bin/odpm --version"); !strings.HasPrefix(got, "odpm v") {
		t.Errorf("%q", got)
	}
	sh(t, ".", "rpm --root "+root+" --erase odpm && ! test -e "+root+"/usr/bin/odpm")
}

// TestPages: man reads every page without a warning, and each has its verb's
// exit codes.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	sh(t, dir, "tar --strip-components 1 -xzf "+one(t, "odpm_*_linux_amd64.tar.gz"))
	pages, err := filepath.Glob(filepath.Join(dir, "man", "*.1"))
	if err != nil || len(pages) < 8 {
		t.Fatalf("%q, %v", pages, err)
	}
	for _, page := range pages {
		var warnings bytes.Buffer
		cmd := exec.Command("man", "--warnings", "--encoding=UTF-8", "--local-file", page)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MANPAGER=cat")
		cmd.Stderr = &warnings
		out, err := cmd.Output()
		if err != nil || warnings.Len() > 0 {
			t.Errorf("%s: %v\n%s", page, err, warnings.String())
		}
		if name := filepath.Base(page); !strings.Contains(name, "completion") && name != "odpm-checker.1" && name != "odpm-help.1" &&
			(!strings.Contains(string(out), "EXIT STATUS") || !strings.Contains(string(out), "130")) {
			t.Errorf("%s has no exit codes:\n%s", name, out)
		}
	}
}

// TestImage: both architectures are in the layout, and the engine runs it.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	sh(t, dir, "tar -xf "+one(t, "odpm-checker_*_oci.tar"))
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	top, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := top.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = index.IndexManifest(); err != nil {
		t.Fatal(err)
	}
	var arches []string
	for _, d := range m.Manifests {
		arches = append(arches, d.Platform.OS+"/"+d.Platform.Architecture)
	}
	if !slices.Equal(arches, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("%q", arches)
	}
	img, err := index.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Config.Labels["org.opencontainers.image.revision"] == "" || c.Created.IsZero() {
		t.Errorf("%+v", c)
	}
	if out := runImage(t, img); !strings.HasPrefix(out, "odpm-checker v") || !strings.Contains(out, "(commit ") {
		t.Errorf("%q", out)
	}
}

func runImage(t *testing.T, img v1.Image) string {
	t.Helper()
	ref := fmt.Sprintf("odpm-test-release:%d", os.Getpid())
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(file, tag, img); err != nil {
		t.Fatal(err)
	}
	sh(t, ".", "docker load --quiet --input "+file)
	t.Cleanup(func() { exec.Command("docker", "rmi", "--force", ref).Run() })
	return sh(t, ".", "docker run --rm --pull never "+ref+" --version")
}

// TestMaterials: the bill says what the programs say of themselves.
func TestMaterials(t *testing.T) {
	data, err := os.ReadFile(one(t, "odpm_*_sbom.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Format     string `json:"bomFormat"`
		Components []struct {
			PURL string `json:"purl"`
		}
		Dependencies []struct {
			DependsOn []string
		}
	}
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.Format != "CycloneDX" || len(bom.Dependencies) != 2 {
		t.Errorf("%s, %d programs", bom.Format, len(bom.Dependencies))
	}
	for _, module := range []string{"pkg:golang/std@", "pkg:golang/github.com/jackc/pgx/v5@v5", "pkg:golang/github.com/spf13/cobra@v1", "pkg:golang/github.com/cenkalti/backoff/v4@v4"} {
		if !strings.Contains(string(data), `"purl": "`+module) {
			t.Errorf("%s is not in it", module)
		}
	}
}

// TestTags: what counts as a version.
func TestTags(t *testing.T) {
	for tag, want := range map[string]bool{"v1.2.3": true, "v0.1.0-rc.1": true, "1.2.3": false, "v1.2": false, "v01.2.3": false, "v1.2.3-rc1": false, "v1.2.3+x": false} {
		if tagRule.MatchString(tag) != want {
			t.Error(tag)
		}
	}
}
