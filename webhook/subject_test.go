package webhook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
)

// TestReadSubject: all that is read is in the subject, the request stays as it was.
func TestReadSubject(t *testing.T) {
	review := reviewOf(t, strings.Replace(badPod, "{name: bad}", "{generateName: bad-, namespace: other}", 1))
	r, err := readReview(review)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := readSubject(r, r.Object, decodeOptions)
	if err != nil || subject == nil {
		t.Fatal(subject, err)
	}
	if subject.Name != "bad-" || subject.Namespace != "default" {
		t.Errorf("%s in namespace %s", subject.Name, subject.Namespace)
	}
	if subject.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		t.Errorf("restartPolicy %q: the API defaults are not filled in", subject.Spec.RestartPolicy)
	}
	same, err := readReview(review)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(same, r, cmp.AllowUnexported(request{}), cmpopts.IgnoreFields(request{}, "room")); diff != "" {
		t.Errorf("the request changed (-was +is):\n%s", diff)
	}
}

// TestReadTemplate: of an object whose template is compared its own metadata is not read, that of the template is.
func TestReadTemplate(t *testing.T) {
	const cronJob = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, deletionTimestamp: '2026-01-01T00:00:00Z'}
spec:
  jobTemplate:
    metadata: {labels: {of: job}}
    spec:
      template:
        metadata: {labels: {of: pod}, annotations: {a: b}}
        spec: {containers: [{name: app, image: i}]}
`
	for _, text := range []string{badDeployment, cronJob} {
		r, err := readReview(reviewOf(t, text))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := readSubject(r, r.Object, templateOptions)
		if err != nil || subject == nil {
			t.Fatal(subject, err)
		}
		if subject.Name != "" || len(subject.Meta.Labels) != 1 || len(subject.Spec.Containers) != 1 {
			t.Errorf("name %q, labels %v, %d containers",
				subject.Name, subject.Meta.Labels, len(subject.Spec.Containers))
		}
	}
}
