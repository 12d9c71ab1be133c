package world

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/regular"
)

// machines are ELF's e_machine for the architectures that have a PostgreSQL or
// an Odoo image.
var machines = map[uint16]string{3: "386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 258: "loong64"}

// otherSystems are those that write themselves into ELF's e_ident; Linux mostly
// leaves it empty.
var otherSystems = map[byte]string{2: "netbsd", 6: "solaris", 9: "freebsd", 12: "openbsd"}

// headSize holds what tells a program's platform: Windows has its own behind a
// small program for DOS.
const headSize = 1 << 10

// runsOn looks at the head of a file. debug/elf and its kin would do it too, for
// 300 KB each.
func runsOn(path string, on Platform) error {
	head, err := readHead(path)
	if err != nil {
		return err
	}
	if is := platformOf(head); is != on {
		switch {
		case is.OS != "":
			return fmt.Errorf("%s, which is a program for %s, not for %s", path, is, on)
		case bytes.HasPrefix(head, []byte("#!")):
			return fmt.Errorf("%s, which is a script and not a program for %s", path, on)
		}
		return fmt.Errorf("%s, which is not a program for %s", path, on)
	}
	return nil
}

func readHead(path string) ([]byte, error) {
	f, err := regular.Open(path)
	if errors.Is(err, regular.ErrNotRegular) {
		return nil, fmt.Errorf("%s, which is not a file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, which cannot be read: %w", path, err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, headSize))
	if err != nil {
		return nil, fmt.Errorf("%s, which cannot be read: %w", path, err)
	}
	return head, nil
}

// platformOf knows ELF, Mach-O and Windows' format; the zero value is none of them.
func platformOf(head []byte) Platform {
	head = append(head, make([]byte, headSize)...) // a short file has no machine
	little := binary.LittleEndian
	switch {
	case string(head[:4]) == "\x7fELF":
		order := byteOrder(head)
		if kind := order.Uint16(head[16:]); kind != 2 && kind != 3 {
			return Platform{} // a part of a program, or what one left when it crashed
		}
		machine := order.Uint16(head[18:])
		return Platform{cmp.Or(otherSystems[head[7]], "linux"), cmp.Or(machines[machine], fmt.Sprintf("machine %d", machine))}
	case string(head[:4]) == "\xcf\xfa\xed\xfe":
		return Platform{"darwin", cmp.Or(map[uint16]string{7: "amd64", 12: "arm64"}[little.Uint16(head[4:])], "an unknown machine")}
	// Java's classes begin in the same way, with a version of at least 45 there.
	case string(head[:4]) == "\xca\xfe\xba\xbe" && binary.BigEndian.Uint32(head[4:]) < 45:
		return Platform{"darwin", "several machines"}
	case string(head[:2]) == "MZ":
		at := little.Uint32(head[0x3c:])
		if at > headSize || string(head[at:at+4]) != "PE\x00\x00" {
			return Platform{"windows", "an unknown machine"}
		}
		return Platform{"windows", cmp.Or(map[uint16]string{0x14c: "386", 0x8664: "amd64", 0xaa64: "arm64"}[little.Uint16(head[at+4:])], "an unknown machine")}
	}
	return Platform{}
}

func byteOrder(head []byte) binary.ByteOrder {
	if head[5] == 2 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// maxLoader is PATH_MAX.
const maxLoader = 4096

// loaderOf is the program that a dynamically linked one is started by, "" for a
// static one: the kernel says "no such file" of the program itself where that one is
// not there.
func loaderOf(path string) string {
	f, err := regular.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 64)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:4]) != "\x7fELF" {
		return ""
	}
	order, wide := byteOrder(head), head[4] == 2
	number := func(b []byte, at64, at32 int) int64 {
		if wide {
			return int64(order.Uint64(b[at64:]))
		}
		return int64(order.Uint32(b[at32:]))
	}
	table, size, count := number(head, 32, 28), order.Uint16(head[42:]), order.Uint16(head[44:])
	if wide {
		size, count = order.Uint16(head[54:]), order.Uint16(head[56:])
	}
	if size < 32 || wide && size < 56 {
		return ""
	}
	entry := make([]byte, size)
	for i := range int64(count) {
		if _, err := f.ReadAt(entry, table+i*int64(size)); err != nil {
			return ""
		}
		if order.Uint32(entry) != 3 { // PT_INTERP
			continue
		}
		name := make([]byte, min(max(number(entry, 32, 16), 0), maxLoader))
		if _, err := f.ReadAt(name, number(entry, 8, 4)); err != nil {
			return ""
		}
		return strings.TrimRight(string(name), "\x00")
	}
	return ""
}

// startable finds out whether a checker has its loader in the place where it runs.
// has tells whether a file is there.
func (c *Checker) startable(place string, has func(loader string) bool) {
	if c.Err != nil {
		return
	}
	if loader := loaderOf(c.Path); loader != "" && !has(loader) {
		c.Err = &NoChecker{fmt.Sprintf("odpm-checker: %s is dynamically linked, and %s does not have %s, which starts it. Build a static one:\n  %s", c.Path, place, loader, checkerBuild(c.On))}
	}
}

// startsIn is startable for an image, as far as its files are known.
func (c *Checker) startsIn(ref string, img engine.Image) {
	if img.Loaders != nil {
		c.startable("the image "+ref, func(loader string) bool { return slices.Contains(img.Loaders, loader) })
	}
}

func onThisMachine(loader string) bool {
	_, err := os.Stat(loader)
	return err == nil
}
