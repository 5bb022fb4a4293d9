package linux

import (
	"encoding/json"
	"slices"
	"strings"
)

const (
	maxDisks      = 256
	maxPartitions = 256
	// maxDepth is deeper than anybody stacks devices.
	maxDepth = 16
)

// imageTypes are the file systems that cannot be written to.
var imageTypes = []string{"squashfs", "erofs", "iso9660", "udf"}

// device is what lsblk says of one. Its older versions write all values as text.
type device struct {
	Name, KName, Type string
	Size, Rota        any
	Model, Serial     string
	MountPoint        *string
	MountPoints       []*string
	Children          []device
}

// fileSystem is a line of df, and its type.
type fileSystem struct {
	device, kind          string
	size, used, available int64
	percent               int
	mountPoint            string
}

// disks joins the tree of devices, as lsblk writes it, with how full df says they
// are, and the types that the kernel has of what is mounted.
func disks(tree, mounts, usage string) []Disk {
	mounted := fileSystems(mounts, usage)
	byDevice, byMountPoint := map[string]fileSystem{}, map[string]fileSystem{}
	for _, fs := range mounted {
		byDevice[fs.device], byMountPoint[fs.mountPoint] = fs, fs
	}

	var parsed struct{ BlockDevices []device }
	list := []Disk{}
	if json.Unmarshal([]byte(tree), &parsed) == nil {
		for _, root := range parsed.BlockDevices {
			if len(list) == maxDisks {
				break
			}
			partitions := partitions(root, byDevice, byMountPoint)
			// Images and discs are no disks, each snap would be a full one; but a
			// container's root can be a file of its host.
			image := (root.Type == "loop" || root.Type == "rom") && !slices.ContainsFunc(partitions, func(p Partition) bool {
				return p.Type != nil && !slices.Contains(imageTypes, *p.Type)
			})
			if len(partitions) > 0 && !image {
				list = append(list, Disk{
					Name: deviceName(root.Name), Size: size(root.Size), Rotational: rotational(root.Rota),
					Model: optional(root.Model), Serial: optional(root.Serial), Partitions: partitions,
				})
			}
		}
	}
	if len(list) > 0 {
		return list
	}
	// No lsblk, or none that sees something: what is mounted is all that is known.
	for _, fs := range mounted[:min(len(mounted), maxDisks)] {
		p := Partition{Name: deviceName(fs.device), Size: fs.size}
		p.fill(fs)
		list = append(list, Disk{Name: p.Name, Size: p.Size, Partitions: []Partition{p}})
	}
	return list
}

// partitions are the leaves below a device, and what is mounted on the way there,
// the device itself too. What is reached on several ways is listed once.
func partitions(root device, byDevice, byMountPoint map[string]fileSystem) []Partition {
	list := []Partition{}
	seen := map[string]bool{}
	var walk func(d device, depth int)
	walk = func(d device, depth int) {
		if d.Name == "" || seen[d.Name] || depth > maxDepth || len(list) == maxPartitions {
			return
		}
		seen[d.Name] = true
		p := Partition{Name: deviceName(d.Name), Size: size(d.Size)}
		for _, mountPoint := range append(d.MountPoints, d.MountPoint) {
			if mountPoint != nil && p.MountPoint == nil {
				p.MountPoint = optional(*mountPoint)
			}
		}
		for _, name := range []string{"/dev/" + d.Name, "/dev/mapper/" + d.Name, "/dev/" + d.KName} {
			if fs, found := byDevice[name]; found {
				p.fill(fs)
				break
			}
		}
		// The kernel calls what it has started from /dev/root.
		if p.Type == nil && p.MountPoint != nil {
			if fs, found := byMountPoint[*p.MountPoint]; found {
				p.fill(fs)
			}
		}
		if p.MountPoint != nil || len(d.Children) == 0 && depth > 0 {
			list = append(list, p)
		}
		for _, child := range d.Children {
			walk(child, depth+1)
		}
	}
	walk(root, 0)
	return list
}

// fill adds what df says. The mount point that lsblk has named stays.
func (p *Partition) fill(fs fileSystem) {
	if p.MountPoint == nil {
		p.MountPoint = optional(fs.mountPoint)
	}
	p.Type, p.Used, p.Available, p.UsagePercent = optional(fs.kind), fs.used, fs.available, fs.percent
}

// fileSystems reads the table of df, in the blocks that its headline names, and
// the types of what is mounted.
func fileSystems(mounts, usage string) []fileSystem {
	types := map[string]string{}
	for line := range strings.Lines(mounts) {
		if fields := strings.Fields(line); len(fields) == 2 {
			types[fields[0]] = fields[1]
		}
	}
	var list []fileSystem
	var block int64
	for line := range strings.Lines(usage) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		if block == 0 {
			block = numberOr0(strings.TrimSuffix(fields[1], "-blocks"))
			if block == 0 || block > 1024 {
				return nil
			}
			continue
		}
		if !strings.HasPrefix(fields[0], "/dev/") || len(list) == maxPartitions {
			continue
		}
		bytes := func(blocks string) int64 {
			n := numberOr0(blocks)
			if n > maxNumber/block {
				return 0
			}
			return n * block
		}
		list = append(list, fileSystem{
			device: fields[0], kind: types[fields[0]],
			size: bytes(fields[1]), used: bytes(fields[2]), available: bytes(fields[3]),
			percent:    int(min(numberOr0(strings.TrimSuffix(fields[4], "%")), 100)),
			mountPoint: strings.Join(fields[5:], " "),
		})
	}
	return list
}

func deviceName(name string) string {
	return clean(strings.TrimPrefix(strings.TrimPrefix(name, "/dev/"), "mapper/"), maxText)
}

func size(value any) int64 {
	switch value := value.(type) {
	case string:
		return numberOr0(value)
	case float64:
		if value >= 0 && value <= maxNumber {
			return int64(value)
		}
	}
	return 0
}

func rotational(value any) *bool {
	switch value {
	case true, "1":
		return new(true)
	case false, "0":
		return new(false)
	}
	return nil
}
