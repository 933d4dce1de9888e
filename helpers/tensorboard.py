"""TensorBoard logs, written with the `tensorboard` package alone: neither TensorFlow nor torch is imported for them."""

import contextlib
import os
import socket
import time
import warnings
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from helpers import runtime


class TensorBoard:
    """The curves of one training, and its row in the HParams table; a full disk costs the log, not the run."""

    def __init__(self, folder, next_epoch=1):
        """Open a log in `folder`; TensorBoard hides what an interrupted run logged there at `next_epoch` and later."""
        self.writer = None
        if not runtime.is_first_process():
            return
        with self._reported():
            Path(folder).mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
            self.writer = RecordWriter(open(Path(folder) / name, "wb"))  # noqa: SIM115, open until close()
            self._write(file_version="brain.Event:2")
            self._write(step=next_epoch, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def log(self, epoch, metrics):
        """Log the numbers of one epoch; `metrics` is a dict, name -> number."""
        values = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._write(step=epoch, summary=summary_pb2.Summary(value=values))

    def close(self, options, results):
        """Enter `options` (name -> number, str or bool) and `results` (name -> number) into the table, and close."""
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for name, value in options.items():
            kind = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
            setattr(start.hparams[name], kind, value)
        metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in results]
        experiment = api_pb2.Experiment(hparam_infos=[_column(*option) for option in options.items()],
                                        metric_infos=metrics)
        end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
        for tag, content in ((metadata.EXPERIMENT_TAG, {"experiment": experiment}),
                             (metadata.SESSION_START_INFO_TAG, {"session_start_info": start}),
                             (metadata.SESSION_END_INFO_TAG, {"session_end_info": end})):
            data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
            about = metadata.create_summary_metadata(data)
            value = summary_pb2.Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)
            self._write(summary=summary_pb2.Summary(value=[value]))
        self.log(0, results)
        with self._reported():
            if self.writer is not None:
                self.writer.close()

    def _write(self, **content):
        with self._reported():
            if self.writer is not None:
                self.writer.write(event_pb2.Event(wall_time=time.time(), **content).SerializeToString())
                self.writer.flush()

    @contextlib.contextmanager
    def _reported(self):
        try:
            yield
        except OSError as error:
            warnings.warn(f"TensorBoard's log ends here: {error}. Training goes on.", stacklevel=5)
            with contextlib.suppress(OSError, AttributeError):  # it tries to write what is left; or was never opened
                self.writer.close()
            self.writer = None


def _column(name, value):
    kind = {bool: api_pb2.DATA_TYPE_BOOL, str: api_pb2.DATA_TYPE_STRING}.get(type(value), api_pb2.DATA_TYPE_FLOAT64)
    return api_pb2.HParamInfo(name=name, type=kind)
