"""What gpuqd may do in a cluster, asked before the first job needs it.

Source: Kubernetes, "Authorization": SelfSubjectAccessReview, which everybody may make.
"""

from __future__ import annotations

from gpuq_daemon.kubernetes.api import NOT_FOUND, Api, ApiError

# Verb, resource, and whether it is asked for in the namespace, else in all of the cluster.
_NEEDED = (
    ("create", "pods", True),
    ("list", "pods", True),
    ("delete", "pods", True),
    ("patch", "pods", True),
    ("get", "pods/log", True),
    ("create", "services", True),
    ("create", "configmaps", True),
    ("patch", "networkpolicies.networking.k8s.io", True),
    ("list", "nodes", False),
    ("list", "pods", False),
)


def missing(api: Api, namespace: str, service_account: str) -> tuple[str, ...]:
    """Return what is missing, each in a few words; nothing if jobs can run.

    Raises:
        ApiError: the API does not tell.
    """
    lacking = [
        f"it may not {verb} {resource}" + ("" if is_inside else " of the whole cluster")
        for verb, resource, is_inside in _NEEDED
        if not _may(api, verb, resource, namespace if is_inside else None)
    ]
    try:
        api.ask("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}")
    except ApiError as error:
        if error.status == NOT_FOUND:
            lacking.append(f"there is no service account `{service_account}` for drivers")
        elif error.status != 403:
            raise
    return tuple(lacking)


def _may(api: Api, verb: str, resource: str, namespace: str | None) -> bool:
    full_name, _, part = resource.partition("/")
    name, _, group = full_name.partition(".")
    asked = {"verb": verb, "group": group, "resource": name, "subresource": part, "namespace": namespace or ""}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = api.json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return answer.get("status", {}).get("allowed") is True
