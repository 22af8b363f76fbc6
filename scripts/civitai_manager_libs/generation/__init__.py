"""Generation data of pictures: read, written and understood. Pure: no network, no catalog, no picture is decoded."""
