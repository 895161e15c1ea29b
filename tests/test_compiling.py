import subprocess
import sys

import torch

from coview.compiling import outside_graphs


def test_compiled_code_calls_what_is_outside_and_does_not_look_into_it():
    compiled = []

    @outside_graphs
    def double(x: torch.Tensor) -> torch.Tensor:
        compiled.append(torch.compiler.is_compiling())
        return 2 * x

    function = torch.compile(lambda x: double(x + 1) + 1, backend="eager")
    assert function(torch.ones(2)).tolist() == [5.0, 5.0]
    assert function(torch.zeros(2)).tolist() == [3.0, 3.0]
    assert compiled == [False, False]


def test_the_compiler_is_not_loaded_by_what_may_be_compiled():
    code = "import sys, coview.methods, coview.encoders, coview.losses; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
