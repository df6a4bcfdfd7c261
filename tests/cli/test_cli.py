"""The command line as a whole: exit codes, the written reference, what start-up costs."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drawn_faces import drawn_set, write_fer_csv
from mien.cli import app
from mien.processors import count_cores, limit_cores
from tiny_model import write_tiny_model

ROOT = Path(__file__).parents[2]


def mien(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("script", "page"), [("cli_docs", "cli.md"), ("recipe_docs", "recipes.md")]
)
def test_written_pages_are_what_the_program_says(script, page):
    written = runpy.run_path(str(ROOT / "scripts" / f"{script}.py"))[script]()
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == written, (
        f"renew it: python scripts/{script}.py > docs/{page}"
    )


@pytest.mark.parametrize("users", [None, "active"])
def test_the_command_line_and_no_import_sets_the_environment(users, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "THP_MEM_ALLOC_ENABLE"):
        monkeypatch.delenv(name, raising=False)
    if users:
        monkeypatch.setenv("OMP_WAIT_POLICY", users)
    script = """
import os
before = dict(os.environ)
import mien.training, mien.explanation, mien.serving.server
from mien.cli import main
assert dict(os.environ) == before
try:
    main()
except SystemExit:
    print(os.environ["OMP_WAIT_POLICY"])
"""
    words = [sys.executable, "-c", script, "--version"]
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == (users or "passive")


@pytest.mark.parametrize("verb", ["train", "tune"])
def test_what_trains_keeps_freed_memory_before_torch_loads(verb, tmp_path):
    script = """
import os, sys
import mien.memory
def told():
    print("torch" in sys.modules)
    os._exit(0)
mien.memory.reuse_freed_memory = told
from mien.cli import main
main()
"""
    arguments = ["--recipe", "mien_s", "--data", "gone.csv", "--output", tmp_path / "run"]
    words = [sys.executable, "-u", "-c", script, verb, *arguments]
    assert subprocess.run(words, capture_output=True, text=True).stdout == "False\n"


def test_the_service_gives_freed_memory_back_before_it_listens(monkeypatch):
    from mien.cli import serve

    done = []
    monkeypatch.setattr(serve, "return_freed_memory", lambda: done.append("memory"))
    monkeypatch.setattr("mien.serving.server.run", lambda *_: done.append("run"))
    assert mien("serve").exit_code == 0
    assert done == ["memory", "run"]


@pytest.mark.parametrize("arguments", [("forecast",), ("train", "--recipy", "x"), ("evaluate",)])
def test_unknown_words_exit_2(arguments):
    assert mien(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train",), 2, "--data is missing"),
        (
            ("train", "--resume", "here", "--init", "default"),
            2,
            "goes with --data, --votes, --teacher and --without alone",
        ),
        (("train", "--recipe", "mein_s", "--data", "x.csv"), 2, "did you mean 'mien_s'"),
        (("train", "--resume", "gone"), 4, "gone"),
        (("train", "--data", "gone.csv"), 4, "gone.csv"),
        (("export", "gone", "--output", "x"), 4, "gone"),
        (("evaluate", "gone", "--data", "gone.csv"), 4, "gone"),
        (("models", "emocn"), 2, "did you mean 'emocnn'"),
        (("recipes", "mien_x"), 2, "did you mean 'mien_s'"),
        (("recipes", "mien_s", "--set", "train.epoch=3"), 2, "did you mean 'epochs'"),
    ],
)
def test_an_error_is_one_line_and_a_code(arguments, code, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = mien(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stderr.startswith("mien: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_models_and_recipes_are_listed():
    listed = json.loads(mien("models", "--json").stdout)
    by_name = {each["name"]: each for each in listed}
    assert by_name["logistic"]["parameters"] == 16_135
    assert by_name["emocnn"]["input"] == "3x48x48"
    assert "report E" in mien("models").stdout
    table = mien("models", "emocnn").stdout
    assert "374,791 parameters" in table
    assert "128x12x12" in table
    assert "resnet9_elu" in mien("recipes").stdout
    assert "batch_size = 400" in mien("recipes", "logistic").stdout
    assert json.loads(mien("recipes", "logistic", "--json").stdout)["train"]["epochs"] == 25


def test_train_evaluate_export_predict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, labels = drawn_set(200, seed=6)
    write_fer_csv(Path("faces.csv"), images, labels, ["Training"] * 150 + ["PublicTest"] * 50)
    write_fer_csv(Path("test.csv"), images[:3], None, None)
    trained = mien(
        "train", "--recipe", "logistic", "--data", "faces.csv", "--set", "train.epochs=2"
    )
    assert trained.exit_code == 0, trained.output
    run = Path(trained.stdout.strip())
    assert run == Path("runs/logistic-1")
    assert "epoch 2/2" in trained.stderr
    again = mien("train", "--data", "faces.csv", "--output", run)
    assert again.exit_code == 2
    assert f"mien train --resume {run}" in again.stderr
    report = mien("evaluate", run, "--data", "faces.csv", "--split", "PublicTest", "--json")
    assert json.loads(report.stdout)["num_faces"] == 50
    assert "selected" in report.stderr
    exported = mien("export", run, "--output", "model", "--keep", "best")
    assert exported.stdout.strip() == "model"
    read = mien("predict", "test.csv", "--model", "model", "--json")
    rows = [json.loads(line) for line in read.stdout.splitlines()]
    assert len(rows) == 3
    assert all(len(row["faces"]) == 1 for row in rows)


def test_importing_mien_is_light():
    code = (
        "import sys, mien; mien.MienError; "
        "heavy = {'torch', 'cv2', 'onnxruntime', 'PIL', 'numpy', 'av'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "[]", printed.stderr


def test_inference_and_evaluation_need_no_torch():
    code = (
        "import sys, mien.inference, mien.inference.analyzer, mien.evaluation, mien.data, "
        "mien.recipes; print('torch' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "False", printed.stderr


@pytest.mark.parametrize("verb", ["predict", "evaluate", "serve", "live"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "cuda"], 'pip install "onnxruntime-gpu[cuda,cudnn]"'),
        (["--precision", "int8"], "has no int8 network; make one: mien export"),
    ],
)
def test_a_device_or_network_that_is_not_there_is_told(verb, options, words, tmp_path, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    model = write_tiny_model(tmp_path / "model")
    data = tmp_path / "faces.csv"
    write_fer_csv(data, *drawn_set(20, seed=1), ["PublicTest"] * 20)
    video = tmp_path / "camera.mp4"
    video.touch()
    arguments = {
        "predict": [ROOT / "examples" / "astronaut.jpg", "--model", model],
        "evaluate": [model, "--data", data],
        "serve": ["--port", 0, "--model", model],
        "live": ["--camera", video, "--port", 0, "--no-browser", "--model", model],
    }
    result = mien(verb, *arguments[verb], *options)
    assert result.exit_code == 4, result.output
    assert words in " ".join(result.stderr.split())


def test_threads_of_the_command_line_bound_the_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)  # which puts it back afterwards
    model = write_tiny_model(tmp_path / "model")
    picture = ROOT / "examples" / "astronaut.jpg"
    plain: list[object] = ["predict", picture, "--model", model, "--detector", "none"]
    whole = count_cores()
    try:
        assert mien(*plain, "--threads", 1).exit_code == 0
        assert count_cores() == 1
        assert mien(*plain).exit_code == 0
        assert count_cores() == whole
    finally:
        limit_cores(0)
