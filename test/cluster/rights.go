package cluster

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Rights compares the rights that rules grant to a user, each as "verb resource" or "verb resource/name", with those
// that the API server's audit log has seen that user use: wrong are those that were forbidden or never used.
func Rights(rules []rbacv1.PolicyRule, auditLog, user string) (granted, wrong []string, err error) {
	used, err := usedRights(auditLog, user)
	if err != nil {
		return nil, nil, err
	}
	for _, right := range used {
		if strings.HasPrefix(right, "forbidden: ") {
			wrong = append(wrong, right)
		}
	}
	granted = grantedRights(rules)
	for _, right := range granted {
		// An informer lists only where the API server does not stream what is there to a watch.
		watch := strings.Replace(right, "list ", "watch ", 1)
		if !slices.Contains(used, right) && !slices.Contains(used, watch) {
			wrong = append(wrong, "never used: "+right)
		}
	}
	return granted, wrong, nil
}

func grantedRights(rules []rbacv1.PolicyRule) []string {
	var rights []string
	for _, rule := range rules {
		for _, verb := range rule.Verbs {
			for _, resource := range rule.Resources {
				if len(rule.ResourceNames) == 0 {
					rights = append(rights, verb+" "+resource)
				}
				for _, name := range rule.ResourceNames {
					rights = append(rights, verb+" "+resource+"/"+name)
				}
			}
		}
	}
	return rights
}

// usedRights are named and unnamed. An apply that creates needs the right to create besides that to patch
// (K apiserver pkg/endpoints/handlers/patch.go: createAuthorizerAttributes), and the log shows it by its status.
func usedRights(auditLog, user string) ([]string, error) {
	log, err := os.ReadFile(auditLog)
	if err != nil {
		return nil, err
	}
	var rights []string
	for line := range bytes.Lines(log) {
		var event struct {
			Verb           string
			User           struct{ Username string }
			ObjectRef      struct{ Resource, Name string }
			ResponseStatus struct{ Code int }
		}
		if err := json.Unmarshal(line, &event); err != nil || event.User.Username != user {
			continue
		}
		verbs := []string{event.Verb}
		switch event.ResponseStatus.Code {
		case http.StatusForbidden:
			rights = append(rights, "forbidden: "+event.Verb+" "+event.ObjectRef.Resource+"/"+event.ObjectRef.Name)
			continue
		case http.StatusCreated:
			verbs = append(verbs, "create")
		}
		for _, verb := range verbs {
			rights = append(rights, verb+" "+event.ObjectRef.Resource,
				verb+" "+event.ObjectRef.Resource+"/"+event.ObjectRef.Name)
		}
	}
	slices.Sort(rights)
	return slices.Compact(rights), nil
}
