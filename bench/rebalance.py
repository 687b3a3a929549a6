"""The benchmark's algorithm, for Lean and the embedded engine alike: all names to new weights every so many sessions."""

from AlgorithmImports import *

from weights import ticker, weights


class Rebalance(QCAlgorithm):

    def initialize(self):
        self.set_start_date(*map(int, self.get_parameter("start").split("-")))
        self.set_end_date(*map(int, self.get_parameter("end").split("-")))
        self.set_cash(int(self.get_parameter("cash")))
        self.settings.minimum_order_margin_portfolio_percentage = 0     # every order is sent, as by the others
        names, self.every, self.sessions = (int(self.get_parameter(key)) for key in ("names", "every", "sessions"))
        self.assets = [self.add_equity(ticker(number), Resolution.DAILY,
                                       data_normalization_mode=DataNormalizationMode.RAW).symbol for number in range(names)]
        self.set_benchmark(lambda _: 0)
        self.bars = 0

    def on_data(self, data):
        rebalance, rest = divmod(self.bars, self.every)
        self.bars += 1
        if rest == 0 and self.bars < self.sessions:
            shares = weights(rebalance, len(self.assets))
            self.set_holdings([PortfolioTarget(asset, share) for asset, share in zip(self.assets, shares)])
