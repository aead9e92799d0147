"""onnx's own checker and strict shape inference over files of ours.

    python check.py FILE…    prints, as JSON, what is wrong by file: an empty object if nothing is
"""

import json
import sys

import onnx

wrong = {}
for path in sys.argv[1:]:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        known = {value.name for value in [*inferred.graph.value_info, *inferred.graph.output]}
        unknown = [name for node in inferred.graph.node for name in node.output if name not in known]
        if unknown:
            wrong[path] = f"no shape is inferred for {', '.join(unknown)}"
    except Exception as error:
        wrong[path] = str(error)
print(json.dumps({"onnx": onnx.__version__, "wrong": wrong}))
