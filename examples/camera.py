"""Shows what a model sees: python examples/camera.py MODEL [CAMERA, VIDEO or RTSP address]. The key q ends it."""

import os
import sys

import cv2

from yolact_deploy import Predictor, YolactDeployError, draw_detections


def main(model: str, camera: str = "0") -> None:
    has_display = bool(cv2.currentUIFramework() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")))
    with Predictor.open(model, score_threshold=0.3) as predictor:
        capture = cv2.VideoCapture(int(camera) if camera.isdecimal() else camera)
        if not capture.isOpened():
            raise YolactDeployError(f"cannot open camera {camera}: is it connected, free, and may you read it?")
        while (frame := capture.read()[1]) is not None:
            found = predictor(frame)
            if has_display:
                cv2.imshow("q ends", draw_detections(frame, found))
                if cv2.waitKey(1) & 0xFF == ord("q"):
                    break
            else:
                print(*found.names, sep=", ", flush=True)
        capture.release()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except YolactDeployError as error:
        sys.exit(f"error: {error}")
    except (KeyboardInterrupt, BrokenPipeError):  # in silence, the interpreter's last flush too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
