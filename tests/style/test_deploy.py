"""The Kubernetes manifests build, and Kubernetes would accept them."""

import repository


def test_kubernetes_manifests_are_valid():
    repository.report_run(["deploy/k8s/validate"])
