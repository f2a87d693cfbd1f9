"""Package metadata; the settings of the tools are in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent

setup(
    name="tf1-ig",
    version=re.search('__version__ = "(.+)"', (HERE / "tf1_ig/__init__.py").read_text(encoding="utf-8")).group(1),
    description="Integrated Gradients for TensorFlow-1 graphs: frozen files, SavedModels, checkpoints, live sessions",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["graph_tools", "graph_tools.*", "tf1_ig", "tf1_ig.*"]),
    package_data={
        "graph_tools": ["py.typed"],
        "tf1_ig": ["py.typed", "spec.schema.json"],
        "tf1_ig.demo": ["model.pb", "model.json", "vocab.txt"],
        "tf1_ig.show": ["templates/*"],
    },
    entry_points={"console_scripts": ["tf1-ig=tf1_ig.cli:main"]},
    python_requires=">=3.7",
    # TensorFlow is not here: whoever has a model has the TensorFlow that runs it, and two of them in one environment
    # overwrite each other. The lower bounds are what Python 3.7 and TensorFlow 1.15 work with.
    install_requires=["numpy>=1.16", "jinja2>=2.11", "ipython>=7.20", "tqdm>=4.40"],
    extras_require={
        "tf": ["tensorflow>=2.15,<3"],
        "tf-cpu": ["tensorflow-cpu>=2.15,<3"],
        "tf1": ["tensorflow==1.15.5", "protobuf<3.21", "numpy<1.19"],
        "frame": ["pandas>=1.0"],
        "plot": ["matplotlib>=3.2"],
        # Of explanation specs: pictures, WordPiece and byte-pair files, Parquet.
        "images": ["pillow>=7"],
        # The last release of tokenizers that has a wheel for Python 3.7 is 0.13.3.
        "tokenizers": ['tokenizers==0.13.3; python_version < "3.8"', 'tokenizers>=0.13; python_version >= "3.8"'],
        # Regions of pictures, for XRAI.
        "regions": ["scikit-image>=0.19"],
        # pyarrow 26 refuses the numpy 1.x that TensorFlow 2.15 needs.
        "parquet": ["pyarrow>=12,<26"],
        "scale": ["pyarrow>=12,<26"],
        # Java 17 runs both. The last release of pyspark for Python 3.7 is 3.4; mapInArrow of 4 wants pandas 2.2.
        "spark": ["pyarrow>=12,<26", 'pyspark>=3.4,<3.5; python_version < "3.9"',
                  'pyspark>=4; python_version >= "3.9"', 'pandas>=1.0; python_version < "3.9"',
                  'pandas>=2.2; python_version >= "3.9"'],
        # 2.48 is the last release for Python 3.7; it says itself which pyarrow it works with.
        "beam": ['apache-beam==2.48.0; python_version < "3.8"', 'apache-beam>=2.60; python_version >= "3.8"',
                 'pyarrow<26; python_version >= "3.8"'],
        # The recipes of docs/scale.md; the last releases for Python 3.7 are the first of each pair.
        "engines": ['distributed==2022.2.0; python_version < "3.8"', 'click<8.1; python_version < "3.8"',
                    'distributed>=2023.5; python_version >= "3.8"', 'ray>=2.7; python_version >= "3.8"',
                    'ray==2.7.2; python_version < "3.8"'],
        # What tf1_ig.bridges is tested with (Python 3.10 and 3.11); PyTorch comes in whichever build suits the machine.
        "bridges": ["captum>=0.7", "lime>=0.2", "shap>=0.42,<0.46", "lit-nlp>=1.3,<2", "path-explain==0.0.7",
                    "ferret-xai>=0.4.2,<0.5", "anchor-exp==0.0.2.0"],
        "test": [
            "pytest>=7", "pytest-timeout>=2", "pytest-xdist>=3", "pandas>=1.0", "matplotlib>=3.2", "setuptools>=64",
            "wheel", "nbclient>=0.7", "ipykernel>=6.16", "jsonschema>=4.17", "pillow>=7",
            'tokenizers==0.13.3; python_version < "3.8"', 'tokenizers>=0.13; python_version >= "3.8"',
            "pyarrow>=12,<26", "hypothesis>=6.79",
        ],
        # The tools leg of scripts/leg.sh.
        "lint": ["ruff==0.17.*", "mypy>=1.14", "build>=1.1", "twine>=4",
                 "setuptools>=64", "wheel"],
        "docs": ["pdoc>=14"],
    },
    classifiers=[
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
