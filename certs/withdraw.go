package certs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// shortestPrefix of a fingerprint is what the metric about CAs shows of one.
const shortestPrefix = 16

// A Withdrawal takes a CA out of the bundles of podvet's webhook configurations.
type Withdrawal struct {
	Client          kubernetes.Interface
	Configuration   string // name of the two webhook configurations
	SecretNamespace string // of the Secret with podvet's CA; "" for the one that the chart makes
	SecretName      string
	Tell            func(string) // is told of each step, one line each

	told map[string]bool
}

// Withdraw calls a CA withdrawn in podvet's Secret and waits until the replicas have taken it out of the bundles. If
// the Secret holds that CA it is emptied, and they make another first. sum is the SHA-256 fingerprint, with or without
// colons, or its first 16 digits at least. The error is one line.
func (w *Withdrawal) Withdraw(ctx context.Context, sum string) error {
	w.told = map[string]bool{}
	published, err := w.published(ctx)
	if err != nil {
		return err
	}
	if w.SecretName == "" {
		if err := w.findSecret(published); err != nil {
			return err
		}
	}
	secret, err := w.secret(ctx)
	if err != nil {
		return err
	}
	stored := readSecret(secret)
	all := append(cas(published), stored.withdrawn...)
	if stored.ca != nil {
		all = append(all, fingerprintOf(stored.ca))
	}
	target, err := choose(sum, all)
	if err != nil {
		return err
	}
	if err := w.call(ctx, target); err != nil {
		return err
	}
	return w.await(ctx, target)
}

// cas are the fingerprints of what webhooks carry.
func cas(published Published) (all []fingerprint) {
	for _, webhook := range published {
		for _, c := range webhook.Certificates() {
			all = append(all, fingerprintOf(c))
		}
	}
	return all
}

// choose is the fingerprint that a text means.
func choose(sum string, all []fingerprint) (fingerprint, error) {
	wanted := strings.ToLower(strings.ReplaceAll(sum, ":", ""))
	slices.SortFunc(all, func(a, b fingerprint) int { return strings.Compare(a.String(), b.String()) })
	all = slices.Compact(all)
	found := slices.DeleteFunc(slices.Clone(all), func(f fingerprint) bool {
		return !strings.HasPrefix(f.String(), wanted)
	})
	switch {
	case len(all) == 0:
		return fingerprint{}, errors.New("no webhook carries a CA, and the Secret holds none: " +
			"there is nothing to withdraw")
	case len(wanted) >= shortestPrefix && len(found) == 1:
		return found[0], nil
	}
	known := make([]string, 0, len(all))
	for _, f := range all {
		known = append(known, f.String()[:shortestPrefix])
	}
	return fingerprint{}, fmt.Errorf("%q is not the SHA-256 fingerprint of a CA in the bundles: write one of %s",
		sum, strings.Join(known, ", "))
}

// findSecret is the Secret of the chart, beside the Service that webhooks call.
func (w *Withdrawal) findSecret(published Published) error {
	for _, webhook := range published {
		if service := webhook.ClientConfig.Service; service != nil {
			w.SecretNamespace, w.SecretName = service.Namespace, w.Configuration+"-self-managed-ca"
			return nil
		}
	}
	return errors.New("the webhooks call no Service, so the Secret of the CA is not known: " +
		"write --ca-secret NAMESPACE/NAME")
}

func (w *Withdrawal) String() string { return w.SecretNamespace + "/" + w.SecretName }

func (w *Withdrawal) secret(ctx context.Context) (*corev1.Secret, error) {
	secret, err := w.Client.CoreV1().Secrets(w.SecretNamespace).Get(ctx, w.SecretName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("the CA Secret %s does not exist: name podvet's with --ca-secret NAMESPACE/NAME; "+
			"with other certificates podvet does not write the bundle, see docs/certificates.md", w)
	case err != nil:
		return nil, fmt.Errorf("the CA Secret %s cannot be read: you need the rights to get and update it: %w", w, err)
	}
	return secret, nil
}

// call writes into the Secret that a CA is withdrawn.
func (w *Withdrawal) call(ctx context.Context, target fingerprint) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		secret, err := w.secret(ctx)
		if err != nil {
			return err
		}
		stored := readSecret(secret)
		inForce := stored.ca != nil && fingerprintOf(stored.ca) == target
		if slices.Contains(stored.withdrawn, target) && !inForce {
			return nil
		}
		if secret.Annotations == nil {
			secret.Annotations = map[string]string{}
		}
		if !slices.Contains(stored.withdrawn, target) {
			secret.Annotations[WithdrawnAnnotation] =
				strings.TrimSpace(secret.Annotations[WithdrawnAnnotation] + " " + target.String())
		}
		if inForce {
			secret.Data = nil
			w.tell("the CA in force is withdrawn: podvet makes a new one")
		}
		_, err = w.Client.CoreV1().Secrets(w.SecretNamespace).Update(ctx, secret, metav1.UpdateOptions{})
		return err
	})
	if apierrors.IsForbidden(err) || apierrors.IsConflict(err) {
		return fmt.Errorf("the CA Secret %s cannot be written: you need the right to update it: %w", w, err)
	}
	return err
}

// await waits until no webhook carries a CA.
func (w *Withdrawal) await(ctx context.Context, target fingerprint) error {
	for {
		published, err := w.published(ctx)
		if err == nil && !slices.Contains(cas(published), target) {
			w.tell(fmt.Sprintf("the CA %s is in no bundle: no API server accepts its certificates", target))
			return nil
		}
		if err == nil {
			w.tellNewCA(ctx, published, target)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the CA %s is withdrawn, and still in the bundles of %s: "+
				"podvet removes it as soon as a replica runs, else its log says why not", target, w.Configuration)
		case <-time.After(time.Second):
		}
	}
}

// tellNewCA tells once that another CA is stored and published.
func (w *Withdrawal) tellNewCA(ctx context.Context, published Published, target fingerprint) {
	secret, err := w.secret(ctx)
	if err != nil {
		return
	}
	if ca := readSecret(secret).ca; ca != nil && fingerprintOf(ca) != target && published.carry(ca) {
		w.tell(fmt.Sprintf("the CA in force is %s: the old one leaves the bundles in about %d s",
			fingerprintOf(ca).String()[:shortestPrefix], int((withdrawAfter + secretInterval).Seconds())))
	}
}

func (w *Withdrawal) tell(line string) {
	if !w.told[line] {
		w.told[line] = true
		w.Tell(line)
	}
}

// published is what the API server has.
func (w *Withdrawal) published(ctx context.Context) (all Published, err error) {
	configurations := w.Client.AdmissionregistrationV1()
	m, err := configurations.MutatingWebhookConfigurations().Get(ctx, w.Configuration, metav1.GetOptions{})
	if err == nil {
		for _, hook := range m.Webhooks {
			all = append(all, Webhook{Name: hook.Name, ClientConfig: hook.ClientConfig})
		}
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the %s %s cannot be read: you need the right to get it: %w",
			configurationKinds[0].name, w.Configuration, err)
	}
	v, err := configurations.ValidatingWebhookConfigurations().Get(ctx, w.Configuration, metav1.GetOptions{})
	if err == nil {
		for _, hook := range v.Webhooks {
			all = append(all, Webhook{Name: hook.Name, ClientConfig: hook.ClientConfig})
		}
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the %s %s cannot be read: you need the right to get it: %w",
			configurationKinds[1].name, w.Configuration, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no webhook configuration %s: name podvet's with --webhook-configuration",
			w.Configuration)
	}
	return all, nil
}
