"""Charts as data for the template, which draws them as SVG: horizontal places are percent of the chart's width, so that
one chart fits a phone, a screen and paper, with words of one size.

scales         numbers to places, and ticks
scores         methods in order of their mean, and within -> unseen per test set
curves         losses and validation scores of training
reliability    confidence against accuracy
confusion      shares of the true expressions, as coloured tables
"""
