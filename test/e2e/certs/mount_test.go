package certs_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A mount is a Secret as the kubelet puts it into a pod.
type mount struct {
	dir     string
	mu      sync.Mutex
	version string // of the Secret that was written last
}

// write puts each file into a new folder, moves the link ..data there and removes the former folder.
func (m *mount) write(secret *corev1.Secret) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	former, _ := os.Readlink(filepath.Join(m.dir, "..data"))
	folder := "..version-" + secret.ResourceVersion
	if err := os.Mkdir(filepath.Join(m.dir, folder), 0o700); err != nil {
		return err
	}
	for name, data := range secret.Data {
		if err := os.WriteFile(filepath.Join(m.dir, folder, name), data, 0o600); err != nil {
			return err
		}
		if former == "" {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); err != nil {
				return err
			}
		}
	}
	if err := os.Symlink(folder, filepath.Join(m.dir, "..data_tmp")); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")); err != nil {
		return err
	}
	m.version = secret.ResourceVersion
	if former == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(m.dir, former))
}

// kubeletLag is how late a mount is: the kubelet's is up to a minute. It lets the CA bundle be there first, though the
// API servers are lag behind, because podvet does not publish it.
const kubeletLag = lag + 2*time.Second

// mountSecret keeps a folder as a Secret is.
func (s *site) mountSecret(t *testing.T, name string) *mount {
	t.Helper()
	m := &mount{dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	following := sync.WaitGroup{}
	t.Cleanup(func() { cancel(); following.Wait() })
	following.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			secret, err := s.admin.CoreV1().Secrets(s.namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil || m.holds(secret.ResourceVersion) {
				continue
			}
			time.Sleep(kubeletLag)
			if err := m.write(secret); err != nil {
				t.Errorf("mounting: %v", err)
				return
			}
		}
	})
	return m
}

// holds tells whether the mount is as a version of the Secret.
func (m *mount) holds(version string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.version == version
}
