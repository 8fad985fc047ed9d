package cluster

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The files in a cluster's work folder, where its programs run.
const (
	certFile                 = "tls.crt" // of the API server, signed by itself
	keyFile                  = "tls.key"
	serviceAccountKeyFile    = "serviceaccount.key" // signs the tokens of ServiceAccounts
	tokensFile               = "tokens.csv"         // of the users
	controllerKubeconfigFile = "controller-manager.kubeconfig"
	auditPolicyFile          = "audit-policy.yaml"
)

// keepLogs is how long the logs of clusters that failed are kept, when no folder was given.
const keepLogs = 24 * time.Hour

// A home is the folder of one cluster. In it are its lock, which is held as long as the cluster runs, the kubeconfig,
// the logs, and the work folder with what is of no use afterwards.
type home struct {
	dir       string
	temporary bool // made by us
	unlock    func()
}

func (h *home) work() string       { return filepath.Join(h.dir, "work") }
func (h *home) lockFile() string   { return filepath.Join(h.dir, "cluster.lock") }
func (h *home) logs() string       { return filepath.Join(h.dir, "logs") }
func (h *home) kubeconfig() string { return filepath.Join(h.dir, "kubeconfig") }
func (h *home) auditLog() string   { return filepath.Join(h.dir, "logs", "audit.log") }

// openHome locks and empties dir, or a new folder in the user's cache directory when dir is empty.
func openHome(ctx context.Context, dir string) (*home, error) {
	h := &home{temporary: dir == ""}
	var err error
	if h.temporary {
		err = h.makeTemporary(ctx)
	} else {
		err = h.take(dir)
	}
	if err != nil {
		return nil, err
	}
	err = cmp.Or(h.clear(), os.RemoveAll(h.logs()), os.Mkdir(h.work(), 0o700), os.Mkdir(h.logs(), 0o700))
	if err != nil {
		h.close(false)
		return nil, fmt.Errorf("the cluster's folder cannot be used: %w: choose another folder", err)
	}
	return h, nil
}

// take makes dir and locks it. It leaves folders alone that hold anything else than a cluster's files, because
// those are removed.
func (h *home) take(dir string) error {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("the cluster's folder cannot be made: %w: choose another folder", err)
	}
	h.dir = dir
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the cluster's folder cannot be read: %w: choose another folder", err)
	}
	if _, err := os.Stat(h.lockFile()); err != nil && len(entries) > 0 {
		return fmt.Errorf("the folder %s holds other files than a cluster's: choose a new or an empty folder", dir)
	}
	h.unlock, err = lock(h.lockFile(), true)
	if errors.Is(err, errLocked) {
		return fmt.Errorf("the folder %s is in use by a running cluster: stop that, or choose another folder", dir)
	}
	return err
}

// makeTemporary makes a new folder and removes what clusters left whose process was killed.
func (h *home) makeTemporary(ctx context.Context) error {
	base, err := cacheDir("clusters")
	if err != nil {
		return err
	}
	unlock, err := lockWhenFree(ctx, filepath.Join(base, "lock"), func() {})
	if err != nil {
		return err
	}
	defer unlock()
	sweep(base)
	dir, err := os.MkdirTemp(base, "")
	if err != nil {
		return fmt.Errorf("the cluster's folder cannot be made: %w: free space, or choose another folder", err)
	}
	return h.take(dir)
}

// sweep clears the folders in base whose cluster no longer runs, and removes those that are a day old.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		left := &home{dir: filepath.Join(base, entry.Name())}
		left.unlock, err = lock(left.lockFile(), false)
		if errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(left.dir) // its removal was begun, or its making cut off
		}
		if err != nil {
			continue // in use
		}
		info, err := entry.Info()
		left.clear()
		if err == nil && time.Since(info.ModTime()) > keepLogs {
			os.RemoveAll(left.dir)
		}
		left.unlock()
	}
}

// clear removes all but the logs.
func (h *home) clear() error {
	return cmp.Or(os.RemoveAll(h.work()), os.RemoveAll(h.kubeconfig()))
}

// close removes the cluster's files: all of a temporary folder unless the logs are to be kept.
func (h *home) close(keepLogs bool) error {
	err := h.clear()
	if h.temporary && !keepLogs {
		err = cmp.Or(err, os.RemoveAll(h.dir))
	}
	h.unlock()
	if err != nil {
		return fmt.Errorf("the cluster's files cannot be removed: %w: remove %s by hand", err, h.dir)
	}
	return nil
}

// writeFiles writes the keys, users, kubeconfigs and the audit policy of a cluster whose API server is at a port,
// and returns the access of the admin.
func (h *home) writeFiles(port int, auditPolicy string) (*rest.Config, error) {
	cert, key, err := selfSigned()
	if err != nil {
		return nil, err
	}
	_, serviceAccountKey, err := newKey()
	if err != nil {
		return nil, err
	}
	admin := &rest.Config{
		Host:            fmt.Sprintf("https://127.0.0.1:%d", port),
		BearerToken:     rand.Text(),
		TLSClientConfig: rest.TLSClientConfig{CAData: cert},
		QPS:             1000,
		Burst:           2000,
	}
	controllers := rest.CopyConfig(admin)
	controllers.BearerToken = rand.Text()
	tokens := admin.BearerToken + ",admin,admin,system:masters\n" +
		controllers.BearerToken + ",system:kube-controller-manager,system:kube-controller-manager\n"

	var failed error
	for name, data := range map[string][]byte{
		certFile:              cert,
		keyFile:               key,
		serviceAccountKeyFile: serviceAccountKey,
		tokensFile:            []byte(tokens),
		auditPolicyFile:       []byte(auditPolicy),
	} {
		failed = cmp.Or(failed, os.WriteFile(filepath.Join(h.work(), name), data, 0o600))
	}
	failed = cmp.Or(failed,
		writeKubeconfig(h.kubeconfig(), "admin", admin),
		writeKubeconfig(filepath.Join(h.work(), controllerKubeconfigFile), "system:kube-controller-manager",
			controllers))
	return admin, failed
}

func writeKubeconfig(path, user string, access *rest.Config) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["podvet"] = &clientcmdapi.Cluster{Server: access.Host, CertificateAuthorityData: access.CAData}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: access.BearerToken}
	config.Contexts["podvet"] = &clientcmdapi.Context{Cluster: "podvet", AuthInfo: user}
	config.CurrentContext = "podvet"
	return clientcmd.WriteToFile(*config, path) // mode 0600
}

// selfSigned makes a certificate for 127.0.0.1 and localhost that is its own CA, valid for a year, in PEM.
func selfSigned() (cert, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "podvet-test-control-plane"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM, err
}

func newKey() (key *ecdsa.PrivateKey, keyPEM []byte, err error) {
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}
