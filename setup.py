"""The compiled kernel, where there is a compiler; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "steepest.sums._kernel",
            ["src/steepest/sums/kernel.c"],
            depends=["src/steepest/sums/columns.h", "src/steepest/sums/tiles.h"],
            # No instruction beyond the processor family's first: kernel.c asks at run time.
            # Fused multiply-add may replace two operations that round; in exact sums none does.
            extra_compile_args=["-std=c99", "-O3", "-ffp-contract=fast", "-Wno-psabi"],
            optional=True,
        ),
        Extension(
            "steepest.data._text",
            ["src/steepest/data/text.c", "src/steepest/data/marks.c"],
            extra_compile_args=["-std=c99", "-O3"],
            optional=True,
        ),
    ]
)
