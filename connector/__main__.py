"""Write the connector's files anew: `python -m connector`."""

from connector.files import FOLDER, files

for name, content in files().items():
    (FOLDER / name).write_bytes(content)
