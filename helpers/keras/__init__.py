"""The Keras room: pure Keras 3 on whichever backend is chosen; mirrors `helpers.torch`, name by name."""
