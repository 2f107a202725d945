"""Charts as pictures: shapes (figure, curves, heat), and two ways to write them (svg, png). Pure."""
