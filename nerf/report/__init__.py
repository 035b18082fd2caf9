"""Pages about runs: HTML that opens from the disk, without a server or a network.

record      what a run left behind, read back as far as it can be read
receipt     what an evaluation keeps beside its figures: versions, device, errors
settings    a config as a list, and where two of them differ
charts      curves and histograms as SVG
spread      histograms of views and pixels
page        pieces of HTML, everything escaped
style       how pages look, light and dark
script      what pages do: sorted tables, the slider between two pictures
evaluation  the page of one run
comparison  runs side by side: where they differ, and whether they can be compared
compared    the page of several runs
"""
