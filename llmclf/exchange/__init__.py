"""Chapter 7: classifiers that leave the library, for ONNX Runtime or for transformers."""
