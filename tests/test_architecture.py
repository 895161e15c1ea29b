"""Imports point one way down the road, never in a circle; maths and encoders know nothing of video; files stay short.

Everything here reads the source alone: nothing of coview is imported.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "coview"
ROAD = [
    "datasets",
    "video",
    "views",
    "preparation",
    "clips",
    "augmentation",
    "encoders",
    "losses",
    "methods",
    "training",
    "embedding",
    "exports",
    "collection",
    "evaluation",
    "adaptation",
    "analysis",
    "reports",
    "serving",
]
"""A folder imports itself and those before it."""
KNOW_NOTHING_OF_VIDEO = ("losses", "encoders")
VIDEO = set(ROAD[: ROAD.index("encoders")])
NO_FOLDER_OF_THE_ROAD = (
    "children",
    "compiling",
    "config",
    "datatypes",
    "errors",
    "files",
    "locks",
    "registry",
    "remote",
    "stopping",
    "wording",
)
ANYWHERE = {*NO_FOLDER_OF_THE_ROAD, "__version__"}
COMMANDS = ("cli", "__main__", "__init__")
"""These know the whole road."""

MAY_BE_ABSENT = {
    "dask",
    "distributed",
    "faiss",
    "fcntl",
    "mediapipe",
    "mlflow",
    "onnxruntime",
    "pymilvus",
    "torchcodec",
    "torchvision",
    "trackio",
    "transformers",
    "umap",
    "wandb",
}
"""Packages of extras, or that only some machines have: imported where they are needed."""
LATE = {
    ("__main__", "cli.__init__"): "Ctrl-C is seen to before what takes long to import",
    ("*", "matplotlib"): "a second to import, and most runs draw nothing",
    ("*", "pandas"): "half a second to import, and only tables need it",
    ("*", "sklearn"): "a second to import, and few commands compute with it",
    ("analysis.class_relations", "scipy"): "scipy.stats takes half a second to import, and one analysis needs it",
    ("evaluation.metrics.clusters", "scipy"): "most commands only ask for the name of the protocol",
    ("evaluation.statistics", "scipy"): "scipy.stats takes half a second to import, and only comparisons need it",
    ("registry", "importlib"): "entry points cost a tenth of the start-up, and few commands need them",
    ("preparation.worker", "cv2"): "its thread count is set after the environment's",
    ("datatypes", "torch"): "a second and a half to import, in every process that prepares videos and needs none of it",
    ("views.base", "torch"): "so too",
    ("serving.looking_over", "analysis.projection"): "so too, in processes that draw pictures for the page",
    ("views.crop", "torch"): "so too",
    ("views.flow.view", "torch"): "so too",
    ("views.persons.pose", "views.persons.heatmaps"): "so too: they are drawn with torch",
    ("training.runlog", "torch"): "TensorBoard takes seconds to import, and only the first process writes",
    ("augmentation.batch", "augmentation.fused"): "numba compiles, which a GPU does not need",
    ("preparation.prepare", "preparation.cluster"): "dask is optional",
    ("views.flow.functions", "views.flow.opencv"): "an algorithm is imported when it is chosen",
    ("views.flow.functions", "views.flow.tvl1_numba"): "an algorithm is imported when it is chosen",
    ("views.flow.view", "views.flow.opencv"): "an algorithm is imported when it is chosen",
    ("views.flow.view", "views.flow.tvl1_numba"): "an algorithm is imported when it is chosen",
    ("views.flow.view", "views.flow.tvl1_torch"): "an algorithm is imported when it is chosen",
    (
        "collection.index",
        "collection.adding",
    ): "torch takes two seconds to import, and a search among vectors needs none",
    ("collection.index", "collection.embedding_videos"): "so too",
    ("collection.about", "collection.embedding_videos"): "so too",
    ("collection.about", "embedding.run"): "so too",
    ("collection.index", "collection.heads.making"): "SciPy takes half a second to import, so too",
    ("collection.heads.head", "collection.prediction.__init__"): "torch, so too; and it imports this file",
    ("collection.heads.head", "collection.prediction.classifier"): "so too",
    ("collection.heads.head", "collection.prediction.predicting"): "so too",
    ("collection.curated", "collection.duplicates"): "OpenCV and PyAV take half a second to import, so too",
    ("collection.stores", "collection.milvus_store"): "pymilvus is optional, and takes a second to import",
    ("remote", "fsspec"): "a tenth of a second, and few collections lie elsewhere",
    ("collection.sharing", "collection.cluster"): "dask is optional",
    ("collection.sharing", "training.distributed"): "torch takes two seconds to import, and a merge needs none",
    ("collection.sharing", "preparation.settings"): "so too",
    ("collection.heads.scoring", "collection.half_product"): "numba, so too",
    ("collection.vectors", "collection.half_product"): "numba takes a second to import, which few vectors do not need",
}
"""(file, what it imports inside a function) -> why. Commands may: that is what keeps `coview --help` quick."""
FILES = {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in sorted(SOURCE.rglob("*.py"))}


def imports_in(tree: ast.AST, *, module: str) -> Iterator[str]:
    """Yield the full names that a piece of source imports: "coview.views.crop", "numpy"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> str:
    """Return the module of ours that an imported name lies in, such as "views.crop"; "" for others' and for names of
    `coview` itself."""
    parts = name.split(".")
    if parts[0] != "coview":
        return ""
    parts = parts[1:]
    while parts and ".".join(parts) not in FILES and ".".join([*parts, "__init__"]) not in FILES:
        parts = parts[:-1]
    joined = ".".join(parts)
    return joined if joined in FILES else f"{joined}.__init__" if joined else ""


def trees() -> dict[str, ast.Module]:
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in FILES.items()}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_arrows():
    """A folder imports only folders above it, in functions and for type checking too."""
    wrong = []
    for module, tree in trees().items():
        folder = module.partition(".")[0]
        if folder in COMMANDS:
            continue
        allowed = set(ANYWHERE)
        if folder in ROAD:
            allowed |= set(ROAD[: ROAD.index(folder) + 1])
        if folder in KNOW_NOTHING_OF_VIDEO:
            allowed -= VIDEO
        names = {name.split(".")[1] for name in imports_in(tree, module=module) if name.startswith("coview.")}
        wrong += [f"{module} may not import {name}" for name in sorted(names - allowed)]
    assert wrong == []


def test_parts_know_nothing_of_a_run():
    """Config, trainer and run folder know the parts, and no part knows them: each works in anybody's loop."""
    parts = set(ROAD[: ROAD.index("training")])
    of_a_run = {
        f"coview.config{file}.{name}" for file in ("", ".settings") for name in ("RunConfig", "TrainingSettings")
    }
    for module, tree in trees().items():
        if module.partition(".")[0] in parts:
            assert of_a_run.isdisjoint(imports_in(tree, module=module)), module


def test_every_folder_is_on_the_road():
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"cli", "config"} == {*ROAD}


def module_level(tree: ast.Module) -> ast.Module:
    """Return what runs when a module is imported: no bodies of functions, nothing for type checking alone."""

    class Outside(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if is_type_checking(node) else self.generic_visit(node)

    return Outside().visit(tree)


def test_no_circle_between_files():
    graph = {
        module: {own(name) for name in imports_in(module_level(tree), module=module)} - {"", module}
        for module, tree in trees().items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError("files import one another in a circle: " + " -> ".join(error.args[1])) from None


def test_imports_inside_functions_have_a_reason():
    found = set()
    for module, tree in trees().items():
        if module.partition(".")[0] == "cli":
            continue
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        names = {name for function in functions for name in imports_in(function, module=module)}
        inner = {own(name) or name.partition(".")[0] for name in names} - MAY_BE_ABSENT
        found |= {("*", name) if ("*", name) in LATE else (module, name) for name in inner}
    assert sorted(found - set(LATE)) == [], "import it at the top of the file, or give the reason in LATE"
    assert sorted(set(LATE) - found) == [], "nothing does that any more: take it out of LATE"


def test_no_file_grows_past_400_lines():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: length for module, length in lengths.items() if length > 400} == {}
