package cluster

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Admits asks a webhook at a URL about a pod in a namespace. Any other answer than that it is admitted is an error.
func Admits(client *http.Client, url, namespace string) error {
	body := fmt.Sprintf(`{
"apiVersion": "admission.k8s.io/v1",
"kind": "AdmissionReview",
"request": {
  "uid": "1",
  "kind": {"group": "", "version": "v1", "kind": "Pod"},
  "resource": {"group": "", "version": "v1", "resource": "pods"},
  "operation": "CREATE",
  "namespace": %q,
  "userInfo": {},
  "object": {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}]}
  }
}
}`, namespace)
	response, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"allowed":true`))) {
		err = fmt.Errorf("the review is answered with %s %s", response.Status, answer)
	}
	return err
}
