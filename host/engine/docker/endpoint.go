package docker

import (
	"cmp"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/shared/homedir"
)

// localSocket is where the docker client itself connects to when nothing says
// otherwise.
const localSocket = "/var/run/docker.sock"

// environment is what a docker program that we run sees; later entries win.
func (c client) environment() func(string) string {
	all := append(os.Environ(), c.env...)
	return func(key string) string {
		for i := len(all) - 1; i >= 0; i-- {
			if k, v, _ := strings.Cut(all[i], "="); k == key {
				return v
			}
		}
		return ""
	}
}

// socket is the Unix socket that the docker client would connect to, "" where
// that is the client's own business: an engine over ssh or TCP, a context with a
// name, a `docker` that is another program's script (Podman's). The order is the
// client's: DOCKER_HOST, DOCKER_CONTEXT, currentContext of config.json
// (https://docs.docker.com/reference/cli/docker/#environment-variables).
func (c client) socket() string {
	if !dockersOwn() {
		return ""
	}
	env := c.environment()
	if host := env("DOCKER_HOST"); host != "" {
		path, ok := strings.CutPrefix(host, "unix://")
		if !ok || !filepath.IsAbs(path) {
			return ""
		}
		return path
	}
	if name := env("DOCKER_CONTEXT"); name != "" {
		if name != "default" {
			return ""
		}
		return localSocket
	}
	config, err := c.config()
	if err != nil || config.CurrentContext != "" && config.CurrentContext != "default" {
		return ""
	}
	return localSocket
}

// dockersOwn tells Docker's client from a script or a launcher of the same name.
func dockersOwn() bool {
	path, err := exec.LookPath(Program)
	if err != nil {
		return false
	}
	if path, err = filepath.EvalSymlinks(path); err != nil || filepath.Base(path) != Program {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}

// clientConfig is the part of the client's config.json that is used here.
type clientConfig struct {
	CurrentContext      string   `json:"currentContext"`
	CLIPluginsExtraDirs []string `json:"cliPluginsExtraDirs"`
}

// configDir is where the client keeps its configuration, "" where it has no home.
func (c client) configDir() string {
	env := c.environment()
	if dir := env("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	if home := cmp.Or(env("HOME"), homedir.OfUser()); home != "" {
		return filepath.Join(home, ".docker")
	}
	return ""
}

func (c client) config() (clientConfig, error) {
	var config clientConfig
	dir := c.configDir()
	if dir == "" {
		return config, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if os.IsNotExist(err) {
		return config, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	return config, err
}

// systemPlugins are the client's own places for plugins on Unix.
var systemPlugins = []string{
	"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
	"/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
}

// composePlugin is the file that `docker compose` runs, "" where that is not
// known. The places are in the client's own order.
func (c client) composePlugin() (string, os.FileInfo) {
	if !dockersOwn() {
		return "", nil
	}
	config, err := c.config()
	if err != nil {
		return "", nil
	}
	dirs := config.CLIPluginsExtraDirs
	if dir := c.configDir(); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "cli-plugins"))
	}
	for _, dir := range append(dirs, systemPlugins...) {
		path := filepath.Join(dir, "docker-compose")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, info
		}
	}
	return "", nil
}
