"""Runs calibration fragments for OrtExecutor.cpp: requests on standard input, answers on standard output.

All numbers are little-endian int64. 'L', length, model -> status, program number. 'R', program, samples, inputs, then
per input rows, rank, dims, float32 values -> status, outputs, then per output rank, dims, values of all samples.
A status is 0 or the length of the error text that follows.
"""
import os
import struct
import sys

import numpy as np
import onnxruntime as ort


def receive(count):
    """`count` bytes of standard input; ends the process where the parent is gone."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = os.readv(0, [view])
        if got == 0:
            sys.exit(0)
        view = view[got:]
    return data


def number():
    return struct.unpack("<q", receive(8))[0]


def send(*parts):
    for part in parts:
        view = memoryview(part if isinstance(part, bytes) else struct.pack("<q", part))
        while view:
            view = view[os.write(1, view):]


def load(sessions):
    model = bytes(receive(number()))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    sessions.append(ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
    return [0, len(sessions) - 1]


def read_inputs(count):
    inputs = []
    for _ in range(count):
        rows, rank = number(), number()
        dims = struct.unpack(f"<{rank}q", receive(8 * rank))
        size = rows * int(np.prod(dims, dtype=np.int64))
        inputs.append(np.frombuffer(receive(4 * size), np.float32).reshape((rows, *dims)))
    return inputs


def run(sessions):
    session, samples, count = sessions[number()], number(), number()
    inputs = read_inputs(count)
    names = [value.name for value in session.get_inputs()]
    results = []
    for i in range(samples):
        feed = {name: batch[i if len(batch) > 1 else 0] for name, batch in zip(names, inputs, strict=True)}
        results.append(session.run(None, feed))
    reply = [0, len(results[0])]
    for output in range(len(results[0])):
        shape = results[0][output].shape
        reply += [len(shape), struct.pack(f"<{len(shape)}q", *shape)]
        reply += [np.ascontiguousarray(result[output]).tobytes() for result in results]
    return reply


def main():
    sessions = []
    send(0)
    while True:
        request = {ord("L"): load, ord("R"): run}[number()]
        try:
            reply = request(sessions)
        except Exception as error:  # noqa: BLE001 - everything is told to the parent
            text = str(error).encode()
            reply = [len(text), text]
        send(*reply)


main()
