"""The same service as `uprez serve` as people write it in Python: FastAPI, ONNX Runtime, Pillow.

    serve.py MODEL.onnx PORT THREADS

MODEL takes and gives uint8 NHWC. Formats and their settings are ours: JPEG for JPEG (quality 95, 4:4:4), PNG for all others.
Prints "ready" once it listens.
"""

import io
import sys

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI, Response, UploadFile
from PIL import Image

path, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = ort.SessionOptions()
options.intra_op_num_threads = threads
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
app = FastAPI()


# Not async: FastAPI runs it in a thread of its pool, and Pillow and ONNX Runtime let others work meanwhile.
@app.post("/upscale")
def upscale(img: UploadFile) -> Response:
    picture = Image.open(img.file)
    kind = "JPEG" if picture.format == "JPEG" else "PNG"
    pixels = np.asarray(picture.convert("RGB"))[None]
    answer = session.run(None, {name: pixels})[0][0]
    out = io.BytesIO()
    settings = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"compress_level": 2}
    Image.fromarray(answer).save(out, kind, **settings)
    return Response(out.getvalue(), media_type=Image.MIME[kind])


class Server(uvicorn.Server):
    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error")).run()
