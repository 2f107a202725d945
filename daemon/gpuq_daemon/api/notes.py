"""Routes about what a script wrote beside numbers: its texts and pictures."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from msgspec import Struct

from gpuq.errors import NotFoundError
from gpuq.summaries import Picture, Text
from gpuq_daemon.api.charts import PICTURE_HEADERS
from gpuq_daemon.api.desk import Desk
from gpuq_daemon.api.event_files import event_bytes
from gpuq_daemon.api.jobs import JobId
from gpuq_daemon.api.series import Tag, Which
from gpuq_daemon.api.visible import visible_job
from gpuq_daemon.series.notes import MOST_NOTES
from gpuq_daemon.series.points import FilePosition

_TYPES = {b"\x89PNG": "image/png", b"GIF8": "image/gif", b"\xff\xd8\xff": "image/jpeg", b"BM": "image/bmp"}
_ANSWERS = {
    200: ResponseSpec(data_container=bytes, description="The picture.", media_type="image/png", generate_examples=False)
}
AtMost = Annotated[int, Parameter(ge=1, le=MOST_NOTES, description="So many, the newest.")]
Only = Annotated[Tag | None, Parameter(description="Of this tag alone.")]


class Texts(Struct):
    """Texts in the order written."""

    texts: list[Text]


class Pictures(Struct):
    """Pictures in the order written."""

    pictures: list[Picture]


@get("/v1/jobs/{job_id:int}/texts")
async def list_texts(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    which: Which,
    tag: Only = None,
    at_most: AtMost = 100,
) -> Texts:
    """Return what the job's script wrote by `tf.summary.text`; of an attempt the newest are kept, each up to 16 KiB."""
    visible_job(request, desk, job_id)
    return Texts(await asyncio.to_thread(lambda: desk.metrics.texts(job_id, at_most=at_most, tag=tag, **asdict(which))))


@get("/v1/jobs/{job_id:int}/pictures")
async def list_pictures(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    which: Which,
    tag: Only = None,
    at_most: AtMost = 100,
) -> Pictures:
    """Return which pictures the job's script wrote by `tf.summary.image`; they stay in its event files."""
    visible_job(request, desk, job_id)
    return Pictures(
        await asyncio.to_thread(lambda: desk.metrics.pictures(job_id, at_most=at_most, tag=tag, **asdict(which)))
    )


@get("/v1/jobs/{job_id:int}/pictures/{picture_id:int}", responses=_ANSWERS)
async def picture(
    request: Request[Any, Any, Any],
    desk: Desk,
    job_id: JobId,
    picture_id: Annotated[int, Parameter(ge=1, lt=2**53, description="Its `id` in the list.")],
) -> Response[bytes]:
    """Return a picture as the script wrote it, PNG, JPEG, GIF or BMP, out of the event file that it lies in."""
    job = visible_job(request, desk, job_id)
    lies = await asyncio.to_thread(desk.metrics.where_picture_lies, job.id, picture_id)
    where = FilePosition(path=lies.picture.path, identity=lies.picture.identity, offset=0)
    place = desk.place(job.id, lies.attempt)
    data = await event_bytes(desk, place, lies.attempt, where, lies.picture.at, lies.picture.bytes)
    kind = next((kind for begins, kind in _TYPES.items() if data.startswith(begins)), None)
    if kind is None:
        raise NotFoundError(
            f"Picture {picture_id} of job {job_id} is no longer there: its event file is another one now."
        )
    return Response(data, media_type=kind, headers=PICTURE_HEADERS)
