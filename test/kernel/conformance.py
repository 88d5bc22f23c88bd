"""Jupyter's own conformance suite for kernels (jupyter_kernel_test), on the installed kernel."""

import unittest

import jupyter_kernel_test


class MambalabKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "mambalab"
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('oops')"
    code_page_something = "Math.max?"
    code_generate_error = "throw new Error('boom')"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "'a' + 'b'", "result": "'ab'"},
    ]
    code_display_data = [
        {
            "code": "display({[Symbol.for('Jupyter.display')]: () => ({'text/html': '<b>1</b>'})});",
            "mime": "text/html",
        }
    ]
    code_history_pattern = "6 ?*7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "Math.max"
    code_clear_output = "clearOutput();"
    completion_samples = [
        {"text": "Math.ma", "matches": {"max"}},
        {"text": "console.lo", "matches": {"log"}},
    ]
    complete_code_samples = ["1", "const a = 1;", "function f() {\n  return 1;\n}"]
    incomplete_code_samples = ["function f() {", "const s = `abc", "[1, 2,"]
    invalid_code_samples = ["const const = 1", "}"]


class MambalabJavaScriptKernelTests(MambalabKernelTests):
    kernel_name = "mambalab-javascript"
    language_name = "javascript"
    file_extension = ".js"


class MambalabWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "mambalab"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
