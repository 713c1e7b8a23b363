# Fuzz targets: `make fuzz`.
