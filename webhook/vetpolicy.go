package webhook

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// vetPolicy judges the policy's ConfigMap before it is stored: all of its mistakes at once, and what is worth a
// second look as warnings. Any other ConfigMap is admitted. one is held while the policy is loaded, and takes is told
// how many bytes of memory that may take.
func vetPolicy(
	ctx context.Context, r *request, cluster Cluster, one sync.Locker, takes func(int64) error,
) (verdict, error) {
	if r.Kind.Group != "" || r.Kind.Kind != "ConfigMap" || r.SubResource != "" ||
		r.Operation != "CREATE" && r.Operation != "UPDATE" {
		return verdict{}, nil
	}
	named := types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
	if cluster.PolicyConfigMap != (types.NamespacedName{}) && cluster.PolicyConfigMap != named {
		return verdict{}, nil
	}
	var object corev1.ConfigMap
	if err := json.Unmarshal(r.Object, &object, decodeOptions); err != nil {
		return verdict{}, badRequest("the ConfigMap cannot be read: %s", told(err, len(r.Object)))
	}
	if object.DeletionTimestamp != nil {
		return verdict{}, nil
	}
	text, ok := object.Data[policy.Key]
	if !ok {
		noKey := fmt.Sprintf("the ConfigMap has no key %s: write the policy under it", policy.Key)
		return verdict{lines: []string{noKey}, refused: true}, nil
	}
	if err := takes(weighPolicy(text)); err != nil {
		return verdict{}, err
	}
	one.Lock()
	defer one.Unlock()
	if ctx.Err() != nil {
		return verdict{}, gone()
	}
	doc, unknown, err := policy.ReadDocument(catalogue.All, policy.Source{File: policy.Key, Text: []byte(text)})
	if err != nil {
		return verdict{lines: []string{err.Error()}, refused: true}, nil
	}
	v := verdict{}
	for _, advice := range append(unknown, doc.Advice(time.Now(), cluster.Namespaces())...) {
		v.lines = append(v.lines, advice.Error())
	}
	return v, nil
}

// perNode is what one value of a policy takes at most while it is read, in bytes: a node of the YAML and what becomes
// of it.
const perNode = 320

// weighPolicy estimates what reading a policy takes at most. Each value of a YAML text ends at one of these.
func weighPolicy(text string) int64 {
	nodes := 0
	for _, mark := range []string{",", ":", "\n", "[", "{"} {
		nodes += strings.Count(text, mark)
	}
	return int64(nodes)*perNode + 2*int64(len(text))
}
