package parity

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/batch"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"

	"github.com/podvet/podvet/rules/pod"
)

// judgedField are the fields that podvet speaks of.
var judgedField = regexp.MustCompile(`\.(livenessProbe|readinessProbe|startupProbe|lifecycle|ports` +
	`|restartPolicy|restartPolicyRules|terminationGracePeriodSeconds` +
	`|activeDeadlineSeconds|progressDeadlineSeconds|startingDeadlineSeconds)\b` +
	`|[cC]ontainers\[\d+\]\.(name|image)$`)

// invalidIn is what podvet finds invalid in an object.
func invalidIn(obj pod.Object) []pod.Problem {
	subject, ok := pod.Read(obj)
	if !ok {
		return nil
	}
	return subject.Invalid()
}

// TestInvalid: podvet calls invalid what Kubernetes' own validation refuses in the fields that it judges, at the
// same places, and nothing else.
func TestInvalid(t *testing.T) {
	valid, invalid := 0, 0
	places := map[string]int{}
	for name, obj := range objects(t, 6000) {
		want := refused(t, obj)
		got := map[string]bool{}
		for _, problem := range invalidIn(obj) {
			got[place(problem.Path)] = true
			if problem.Text == "" || strings.Contains(problem.Text, "\n") {
				t.Errorf("%s: %q", name, problem.Text)
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s (-Kubernetes +podvet):\n%s", name, diff)
		}
		if len(want) == 0 {
			valid++
		} else {
			invalid++
		}
		for path := range want {
			places[path[strings.LastIndex(path, ".")+1:]]++
		}
	}
	if valid < 1000 || invalid < 1000 || len(places) < 12 || places["name"] < 100 || places["image"] < 100 {
		t.Errorf("only %d valid and %d invalid objects, at %v", valid, invalid, places)
	}
}

// refused is where Kubernetes' validation finds fault with the fields that podvet judges.
func refused(t *testing.T, obj pod.Object) map[string]bool {
	t.Helper()
	defaulted := obj.DeepCopyObject()
	legacyscheme.Scheme.Default(defaulted)
	internal := convert(t, defaulted)
	var errs field.ErrorList
	switch o := internal.(type) {
	case *core.Pod:
		errs = corevalidation.ValidatePodCreate(o, podutil.GetValidationOptionsFromPodSpecAndMeta(&o.Spec, nil,
			&o.ObjectMeta, nil))
	case *core.ReplicationController:
		errs = corevalidation.ValidateReplicationController(o,
			podutil.GetValidationOptionsFromPodTemplate(o.Spec.Template, nil))
	case *apps.Deployment:
		errs = appsvalidation.ValidateDeployment(o, podutil.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *apps.ReplicaSet:
		errs = appsvalidation.ValidateReplicaSet(o, podutil.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *apps.StatefulSet:
		errs = appsvalidation.ValidateStatefulSet(o, appsvalidation.StatefulSetValidationOptions{},
			podutil.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *apps.DaemonSet:
		errs = appsvalidation.ValidateDaemonSet(o, podutil.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *batch.Job:
		options := podutil.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil)
		errs = batchvalidation.ValidateJobCreate(o, batchvalidation.JobValidationOptions{PodValidationOptions: options})
	case *batch.CronJob:
		errs = batchvalidation.ValidateCronJobCreate(o,
			podutil.GetValidationOptionsFromPodTemplate(&o.Spec.JobTemplate.Spec.Template, nil))
	default:
		t.Fatalf("no validation for %T", internal)
	}
	paths := map[string]bool{}
	for _, err := range errs {
		if judgedField.MatchString(err.Field) {
			paths[place(err.Field)] = true
		}
	}
	return paths
}

// initHostPort: Kubernetes names the first init container whichever it is (validateInitContainers); podvet the right
// one.
var initHostPort = regexp.MustCompile(`initContainers\[\d+\](\.ports\[\d+\]\.hostPort)$`)

func place(path string) string { return initHostPort.ReplaceAllString(path, "initContainers[*]$1") }

// convert makes the API server's internal version of an object.
func convert(t *testing.T, obj runtime.Object) runtime.Object {
	t.Helper()
	kinds, _, err := legacyscheme.Scheme.ObjectKinds(obj)
	if err != nil {
		t.Fatal(err)
	}
	internal, err := legacyscheme.Scheme.ConvertToVersion(obj,
		kinds[0].GroupKind().WithVersion(runtime.APIVersionInternal).GroupVersion())
	if err != nil {
		t.Fatal(err)
	}
	return internal
}
