"""Files, cameras and pixels → frames."""
