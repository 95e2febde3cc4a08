"""Pictures as they are read, before a world begins with them."""

from __future__ import annotations

from flask import Response, make_response

from arc_fabric.media.frames import encode_png
from arc_fabric.media.sprites import thumbnail
from webapp.http.answers import binary, blueprint, errors
from webapp.work.bodies import PreviewBody
from webapp.work.given_pictures import read_one

previews = blueprint("previews", "frames", "Frames, latents, videos: what a branch looks like.")
SHOWN_SIDE = 512


@previews.post(
    "/pictures/preview",
    responses={200: binary("image/png", description="The picture."), **errors(413, 415)},
)
def preview(body: PreviewBody) -> Response:
    """How a picture would be read

    What `initial_frame` would make of a PNG, JPEG or WebP in base64, before the model scales it: 8 bits, upright,
    opaque, as PNG, at most 512 pixels wide and high. X-Picture-Size holds its own size, as in `640x480`.
    Nothing is stored.
    """
    pixels = read_one(body.picture)
    height, width = pixels.shape[:2]
    response = make_response(encode_png(thumbnail(pixels, max(1, width * SHOWN_SIDE // max(width, height)))))
    response.mimetype = "image/png"
    response.headers["X-Picture-Size"] = f"{width}x{height}"
    response.headers["Cache-Control"] = "no-store"
    return response
