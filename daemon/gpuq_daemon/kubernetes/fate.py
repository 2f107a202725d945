"""Why a pod waits, and how it ended, in a person's words. Pure.

Source: Kubernetes, "Pod Lifecycle", "Images", the reasons in kubelet's code.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpuq_daemon.kubernetes.objects import ContainerStatus, Pod, Terminated

OOM_KILLED = "OOMKilled"
_KILLED = 128
_LONGEST = 300
# A container that waits for one of these does so until somebody puts something right.
_STUCK = {
    "ErrImagePull": "cannot pull its image",
    "ImagePullBackOff": "cannot pull its image",
    "ErrImageNeverPull": "may not pull its image",
    "InvalidImageName": "has an image of an impossible name",
    "ImageInspectError": "cannot look at its image",
    "CreateContainerConfigError": "lacks a config map or a secret",
    "CreateContainerError": "cannot make its container",
    "RunContainerError": "cannot start its container",
    "CrashLoopBackOff": "ends again and again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEnd:
    """How a pod ended: the exit code of its first container that failed, and Kubernetes' word for it.

    `was_taken`: Kubernetes or the pod's node ended it, whatever its containers did.
    """

    exit_code: int
    reason: str
    text: str
    was_taken: bool = False

    @property
    def is_failure(self) -> bool:
        """Whether it ended otherwise than it should."""
        return self.exit_code != 0


def waits_for(pod: Pod) -> str | None:
    """Return why a pod does not run yet, as "Reason: words"; None if it does, or only needs a moment."""
    if pod.has_ended or pod.metadata.deletion_timestamp is not None:
        return None
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in _STUCK:
            return f"{waiting.reason}: {_STUCK[waiting.reason]} ({_one_line(waiting.message) or _image(pod, status)})"
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason or 'Unschedulable'}: {_one_line(condition.message)}"
    return None


def is_stuck(pod: Pod) -> bool:
    """Whether a pod waits for something that time alone does not bring: its image, or what its operator forgot."""
    words = waits_for(pod)
    return words is not None and words.partition(":")[0] in _STUCK


def end_of(pod: Pod) -> PodEnd | None:
    """Return how a pod ended, None if it has not."""
    ended = [one for one in pod.status.container_statuses if one.state.terminated is not None]
    failed = next((one.state.terminated for one in ended if _code(one.state.terminated) != 0), None)
    if pod.status.phase == "Succeeded":
        return PodEnd(exit_code=0, reason="Completed", text="completed")
    if pod.status.phase != "Failed":
        return None
    code = 1 if failed is None else _code(failed)
    if pod.status.reason:  # of the pod: Evicted, NodeLost, Preempting, OutOfnvidia.com/gpu
        words = _one_line(pod.status.message)
        text = _with(_pods(pod.status.reason), words)
        return PodEnd(exit_code=code, reason=pod.status.reason, text=text, was_taken=True)
    if failed is not None and failed.reason == OOM_KILLED:
        return PodEnd(exit_code=code, reason=OOM_KILLED, text="ran out of the memory that it may use (OOMKilled)")
    lost = next((one for one in pod.status.conditions if one.type == "DisruptionTarget" and one.status == "True"), None)
    if lost is not None:
        text = _with(_pods(lost.reason), _one_line(lost.message))
        return PodEnd(exit_code=code, reason=lost.reason, text=text, was_taken=True)
    reason = failed.reason if failed is not None and failed.reason else "Error"
    words = "" if failed is None else _one_line(failed.message)
    return PodEnd(exit_code=code, reason=reason, text=_with(f"ended with exit code {code}", words))


def _pods(reason: str) -> str:
    known = {
        "Evicted": "was evicted by its node",
        "NodeLost": "was on a node that is lost",
        "NodeShutdown": "was on a node that was shut down",
        "Terminated": "was on a node that was shut down",
        "PreemptionByScheduler": "had to make room for a pod of higher priority",
        "Preempting": "had to make room for a pod of higher priority",
        "DeletionByTaintManager": "was on a node that pods had to leave",
        "EvictionByEvictionAPI": "was evicted, as when a node is drained",
        "DeletionByPodGC": "was on a node that is lost",
        "TerminationByKubelet": "was ended by its node",
        "DeadlineExceeded": "reached the time limit that its template gives it",
    }
    return f"{known[reason]} ({reason})" if reason in known else f"was ended ({reason})"


def _code(terminated: Terminated | None) -> int:
    """Return an exit code between 0 and 255."""
    if terminated is None:
        return 0
    code = terminated.exit_code or (_KILLED + terminated.signal if terminated.signal else 0)
    return code if 0 <= code <= 255 else 1


def _image(pod: Pod, status: ContainerStatus) -> str:
    named = [one.image for one in (*pod.spec.init_containers, *pod.spec.containers) if one.name == status.name]
    return named[0] if named else status.name


def _with(claim: str, words: str) -> str:
    return f"{claim}: {words}" if words else claim


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
